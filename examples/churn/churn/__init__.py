"""The churn example: who is about to leave, and why."""

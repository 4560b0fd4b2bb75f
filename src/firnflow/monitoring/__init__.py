"""What people are told: alerts on failures, promotions, rejections and anomalies."""

"""Why a model says what it says: SHAP values, for one row and for all."""

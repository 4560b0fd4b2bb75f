"""Makes the project's modules importable, as `firnflow` does for its tasks; customers in the Telco layout."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

_SERVICES = ("OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport", "StreamingTV", "StreamingMovies")


def telco_customers(count: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Return made-up customers in the layout of the public Telco data: monthly contracts and newcomers leave."""
    rng = np.random.default_rng(seed)

    def words(*options: str) -> np.ndarray:
        return rng.choice(options, count)

    tenure = rng.integers(0, 73, count)
    contract = words("Month-to-month", "Month-to-month", "One year", "Two year")
    charges = np.round(rng.uniform(18, 118, count), 2)
    risk = 2.0 * (contract == "Month-to-month") - 0.05 * tenure + 0.01 * (charges - 65) - 0.8
    table = {
        "customerID": [f"{i:04}-TEST" for i in rng.permutation(count)],
        "gender": words("Female", "Male"),
        "SeniorCitizen": rng.integers(0, 2, count),
        "Partner": words("Yes", "No"),
        "Dependents": words("Yes", "No"),
        "tenure": tenure,
        "PhoneService": words("Yes", "No"),
        "MultipleLines": words("Yes", "No", "No phone service"),
        "InternetService": words("DSL", "Fiber optic", "No"),
        **{name: words("Yes", "No", "No internet service") for name in _SERVICES},
        "Contract": contract,
        "PaperlessBilling": words("Yes", "No"),
        "PaymentMethod": words("Electronic check", "Mailed check", "Bank transfer (automatic)"),
        "MonthlyCharges": charges,
        "TotalCharges": [f"{t * c:.2f}" if t else " " for t, c in zip(tenure, charges, strict=True)],
        "Churn": np.where(rng.random(count) < 1 / (1 + np.exp(-risk)), "Yes", "No"),
    }
    return pd.DataFrame(table)


@pytest.fixture
def telco_table() -> pd.DataFrame:
    return telco_customers()


@pytest.fixture
def project() -> Path:
    return ROOT

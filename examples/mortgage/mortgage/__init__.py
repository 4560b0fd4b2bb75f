"""Mortgage lending: will an application be approved, and is the new model better than the one in production?"""

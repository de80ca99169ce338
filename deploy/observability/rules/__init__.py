"""Prometheus rules as code: `make rules` writes deploy/observability/alerts from here.

Every number that is a time goes through a `Clock`, so that a test can fire the very same alerts in
seconds. tests/contract/test_alerts.py holds metrics, runbooks and cases to what is written here.
"""

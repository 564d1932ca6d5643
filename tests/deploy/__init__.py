"""The examples of deployment: right in form, and tried."""

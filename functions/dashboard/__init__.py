"""The function behind the widgets of the CloudWatch dashboard."""

"""The application side of the topology: subscription filters, and the function that subscribes new log groups."""

from components.app_account_subscription.component import AppAccountSubscription, AppAccountSubscriptionArgs

__all__ = ["AppAccountSubscription", "AppAccountSubscriptionArgs"]

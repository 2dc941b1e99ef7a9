"""Time: how long to wait, until when to ask, and what to say of a failure that lasts.

Libraries for retries (tenacity, backoff) call a function again and sleep in between. Here loops
have other things to do meanwhile, and only ask how long the next pause is.
"""

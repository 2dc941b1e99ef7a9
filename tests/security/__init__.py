"""An attacker's suite: a login that may write, against what other logins wrote."""

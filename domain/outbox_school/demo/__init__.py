"""The school's demonstration: a teacher's service, a class, a batch of essays.

Nothing in it knows the rules of the school: the service asks by SQL, and reads results and views
by SQL.
"""

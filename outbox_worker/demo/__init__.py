"""The demonstration: servers, a teacher's service, a worker that dies, a subscriber, a verdict.

Nothing in it knows the domain: a service asks by SQL, and reads results and views by SQL;
a subscriber knows the names of the topics.
"""

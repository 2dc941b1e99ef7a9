"""From committed rows to Kafka: the protocol. `docs/glossary.md` explains the terms.

What is promised
----------------
A subscriber that reads with `read_committed` sees the events of every committed transaction
exactly once, and none of a transaction that rolled back. An event that was inserted after another
one of its key (later in the same transaction, or once the other had committed) comes later. This
holds when a worker is killed or frozen, when Kafka or Postgres restarts, and when shards move.
README.md says what is not promised. It rests on four rules:

1. Publishing writes nothing to the table. What is published is a *position* for each of the 16
   shards, a Postgres snapshot S: a row is published if S shows its transaction.
2. A batch is the rows that a new snapshot S' shows and S does not, sent in the order of their
   ids. It ends at a real snapshot, or at an id on the way to one; never at a transaction id.
3. Records and positions are committed in one Kafka transaction, which names the worker's member
   id and generation. Kafka does not let a worker commit that is no longer a member.
4. After any doubt (an abort, a time-out, a new connection) the relay forgets what it has in
   memory: Kafka is asked where a shard stands, and the table whether that is still true.

The life of a shard
-------------------
::

                assigned         answered           claimed
    [elsewhere] -------> [asked] --------> [known] --------> [served]
                          ^   ^            |     ^             |  |
                          |   |            |     +-------------+  |
                          |   |            v      new connection  |
                          |   +----- [refused]                    |
                          |   rebased   (witnesses are gone)      |
                          +---------------------------------------+
                              not committed, or outcome unknown

    While it is served:

    [tail] -------- more rows than a batch takes --------> [backlog]
           <-------------- border is reached --------------
    either -- next event is not accepted --> [held] -- accepted --> as before

In every state Kafka may revoke a shard. `group` assigns and revokes it, `position_lookup` and
`takeover` ask Kafka, `claim` asks the table, `cohorts` keeps what is served, `holds` what waits.
*Refused* is for all shards: the worker leaves the group, and looks every 5 s for a rebase.

An example
----------
The position of a shard is S = 100:100: (xmin:xmax:xip) with batch counter 7: every transaction
below 100 has ended and is published. Three transactions write events of this shard. 100 inserts
the row with id 11 and stays open; 101 inserts id 12 and commits; 102 inserts id 13 and commits.

One read (`reader`) takes S' = 100:103:100: all below 103 have ended but 100. The batch is 12 and
13. Kafka commits both with counter 8 and position 100:103:100, and with row 13 of transaction
102 as its *witness*. Then 100 commits. The next read takes S'' = 103:103: and looks only at
transactions from 103 on and at 100, which S' had in progress. It finds 11, which is committed
with counter 9 and position 103:103:. That 11 comes after 12 breaks no promise: when 12 was
inserted, 11 was not committed.

A position is kept tight: had S' been 100:110:100,105, Kafka would hold 100:103:100 all the same,
for 102 is the highest transaction with a published row. So a position says nothing about
transaction ids that no published row proves to be used: a fail-over may use them again.

A crash before the commit of counter 8: the position is still 100:100:. The successor fences the
*owner* that it names, so that Kafka aborts what that one left open, and commits the same
position with its own name: the *claim*. It reads 12 and 13 again, and 11 if 100 has committed. A
crash after the commit, even before the worker hears of it: Kafka says 100:103:100, and the
successor finds only 11. Either way subscribers see 11, 12 and 13 once.

A backlog
---------
The worker has published id 13 and then draws transaction id 103. Whoever drew an id up to 13 has a
transaction below 103, so no such row can appear after a snapshot whose xmin is 103 or more: 13
is its *floor*. In memory the shard continues to S = 104:104:. Transaction 104 inserts id 14 and
stays open; 105 inserts 12,500 rows, ids 15 to 12,514, and commits. The next read takes
S' = 104:106:104 and finds more than the 5,000 rows of a batch. S' is now the *border*: rows
that S' shows and S does not are read in the order of ids, above the floor, 5,000 at a time.
The first chunk is committed with S = 103:103: (tight), border 104:106:104 and *cursor* 5,014, the
second with cursor 10,014. The third is short: the backlog ends with position 104:106:104.
Once 104 commits, id 14 is found in the way that 11 was.

Had the worker died after the first chunk, and 104 then committed, the successor's fresh snapshot
would be 106:106:. It shows id 14, which lies below the cursor and which the border does not
show: a *straggler*. It goes out with the claim, the border becomes 106:106:, and the next
chunk begins above 5,014.
"""

-- doctor/find_server
-- Which database this is, where, as whom we are there, and its time. The address is NULL on a socket.
-- params: none
-- rows: one     transaction: any
SELECT current_database()::text, host(inet_server_addr()), inet_server_port(), session_user::text,
       clock_timestamp()

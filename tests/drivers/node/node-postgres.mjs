import pg from 'pg'

const client = new pg.Client(process.env.WRITER_URL)
await client.connect()
await client.query('BEGIN')
// page: node-postgres
const order = { total: 10, note: 'å \\ " \n' }
await client.query(
  `SELECT outbox.publish(topic => $1, key => $2, type => $3, payload => $4, headers => $5)`,
  ['orders', 'order-1', 'order.placed', JSON.stringify(order), { traceparent: '00-ab' }])
await client.query(
  `SELECT outbox.publish_bytes(topic => $1, key => $2, type => $3, payload => $4, content_type => $5)`,
  ['orders', 'order-1', 'order.scanned', Buffer.from([0, 1, 254, 123]), 'application/x-protobuf'])
await client.query(
  `SELECT outbox.submit(type => $1, key => $2, actor => $3, payload => $4)`,
  ['CreateClass', 'teacher-1', 'teacher-1', { name: '9A', course_codes: ['ENG5'] }])
// page: end
await client.query('COMMIT')
await client.end()

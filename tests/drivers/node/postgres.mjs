import postgres from 'postgres'

const sql = postgres(process.env.WRITER_URL, { max: 1 })
await sql.begin(async tx => {
  // page: postgres.js
  const order = { total: 10, note: 'å \\ " \n' }
  await tx`SELECT outbox.publish(topic => 'orders', key => ${'order-1'}, type => 'order.placed',
    payload => ${order}, headers => ${{ traceparent: '00-ab' }})`
  await tx`SELECT outbox.publish_bytes(topic => 'orders', key => ${'order-1'}, type => 'order.scanned',
    payload => ${Buffer.from([0, 1, 254, 123])}, content_type => 'application/x-protobuf')`
  await tx`SELECT outbox.submit(type => 'CreateClass', key => ${'teacher-1'}, actor => ${'teacher-1'},
    payload => ${{ name: '9A', course_codes: ['ENG5'] }})`
  // page: end
})
await sql.end()

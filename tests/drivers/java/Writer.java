import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

public class Writer {
  static void write(JdbcTemplate jdbc) {
    // page: pgjdbc
    String order = "{\"total\": 10, \"note\": \"å \\\\ \\\" \\n\"}";
    jdbc.queryForObject(
        "SELECT outbox.publish(topic => ?, key => ?, type => ?, payload => ?::jsonb, headers => ?::jsonb)",
        Object.class, "orders", "order-1", "order.placed", order, "{\"traceparent\": \"00-ab\"}");
    jdbc.queryForObject(
        "SELECT outbox.publish_bytes(topic => ?, key => ?, type => ?, payload => ?, content_type => ?)",
        Object.class, "orders", "order-1", "order.scanned", new byte[] {0, 1, (byte) 254, 123},
        "application/x-protobuf");
    jdbc.queryForObject(
        "SELECT outbox.submit(type => ?, key => ?, actor => ?, payload => ?::jsonb)",
        Object.class, "CreateClass", "teacher-1", "teacher-1",
        "{\"name\": \"9A\", \"course_codes\": [\"ENG5\"]}");
    // page: end
  }

  public static void main(String[] arguments) {
    var source = new DriverManagerDataSource(System.getenv("WRITER_JDBC_URL"));
    var jdbc = new JdbcTemplate(source);
    new TransactionTemplate(new JdbcTransactionManager(source))
        .executeWithoutResult(status -> write(jdbc));
  }
}

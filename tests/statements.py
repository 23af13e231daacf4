"""What is asked of `flo serve`: what it has to answer, and what it must refuse."""

from __future__ import annotations

CHANGES = (
    "INSERT INTO channel_kpis SELECT * FROM channel_kpis",
    "INSERT OVERWRITE customer_features SELECT * FROM customer_features WHERE false",
    "UPDATE customer_features SET order_channel = 'x'",
    "DELETE FROM customer_features",
    "MERGE INTO drops USING drops AS other ON false WHEN NOT MATCHED THEN INSERT *",
    "TRUNCATE TABLE customer_features",
    "DROP TABLE customer_features",
    "DROP DATABASE flo CASCADE",
    "CREATE TABLE mine (a INT) USING delta",
    "CREATE TABLE mine USING delta AS SELECT 1 AS a",
    "CREATE VIEW mine AS SELECT 1 AS a",
    "ALTER TABLE customer_features SET TBLPROPERTIES ('a' = 'b')",
    "ALTER TABLE customer_features RENAME TO mine",
    "OPTIMIZE customer_features",
    "VACUUM customer_features",
    "RESTORE TABLE customer_features TO VERSION AS OF 0",
    "WITH one AS (SELECT 1) INSERT INTO drops SELECT drops.* FROM drops, one",
    "EXECUTE IMMEDIATE 'DROP TABLE customer_features'",
)
# What would read or write this machine as whoever started the server, run a program of theirs, or
# have the server call somebody: {port} is somebody who listens.
INTRUSIONS = (
    "INSERT OVERWRITE LOCAL DIRECTORY '{folder}/made' USING csv SELECT 1",
    "CREATE TABLE mine USING csv LOCATION 'file://{folder}/made' AS SELECT 1 AS a",
    "SELECT TRANSFORM (1) USING 'touch {folder}/made' AS (a)",
    "SELECT reflect('java.lang.System', 'getProperty', 'user.name')",
    "SELECT * FROM drops WHERE path IN (SELECT java_method('java.lang.System', 'lineSeparator'))",
    "SELECT * FROM text.`file://{folder}/secret`",
    "SELECT * FROM parquet.`http://127.0.0.1:{port}/secret`",
    "WITH it AS (SELECT * FROM csv.`file://{folder}/secret`) SELECT * FROM it",
    "ADD JAR '{folder}/secret'",
    "CREATE TEMPORARY FUNCTION mine AS 'a.B' USING JAR '{folder}/secret'",
    "CREATE TEMPORARY VIEW mine USING csv OPTIONS (path 'file://{folder}/secret')",
    # A schema for validation, which names a file: the error would quote it.
    "SELECT from_xml('<a>1</a>', 'a string', map('rowValidationXSDPath', '{folder}/a.xsd'))",
    "SELECT from_xml('<a>1</a>', 'a string',"
    " map('rowValidationXSDPath', 'http://127.0.0.1:{port}/a.xsd'))",
    "SELECT schema_of_xml('<a>1</a>')",
    "SELECT xpath_string('<!DOCTYPE a SYSTEM \"http://127.0.0.1:{port}/\"><a>1</a>', '/a')",
    # A schema is evaluated while a plan is analysed.
    "SELECT from_json('1',"
    " xpath_string('<!DOCTYPE a SYSTEM \"http://127.0.0.1:{port}/\"><a/>', '/a'))",
    "SELECT builtin.xpath_string('<a/>', '/a')",
    "SELECT system.builtin.xpath_string('<a/>', '/a')",
    "SELECT IDENTIFIER('xpath' || '_string')('<a/>', '/a')",
    "SELECT * FROM VALUES (xpath_string('<a/>', 'a')) AS t (a)",
    "DESCRIBE QUERY SELECT reflect('java.lang.System', 'lineSeparator')",
    "SELECT transform(array('<a/>'), x -> xpath_string(x, '/a'))",
    "SELECT * FROM drops LATERAL VIEW xpath('<a/>', '/a') AS a",
    "SELECT input_file_name() FROM drops",
    # What the table's reader would take for settings of the file system, classes included.
    "SELECT * FROM drops WITH ('fs.hdfs.impl' = 'a.B')",
    # A table of Delta's, but none of ours.
    "SELECT * FROM delta.`file://{folder}/table`",
    "SELECT * FROM delta.`file://{folder}/table@v0`",
    "SELECT * FROM delta.`file://{folder}/table` VERSION AS OF 0",
    "SELECT * FROM IDENTIFIER('delta.`file://{folder}/table`')",
    "SELECT * FROM drops WHERE EXISTS (SELECT 1 FROM delta.`file://{folder}/table`)",
    "SELECT * FROM table_changes_by_path('file://{folder}/table', 0)",
    "SELECT * FROM delta.`http://127.0.0.1:{port}/table`",
    "DESCRIBE DETAIL 'file://{folder}/table'",
    "DESCRIBE DETAIL delta.`file://{folder}/table`",
    "DESCRIBE HISTORY 'file://{folder}/table'",
    "DESCRIBE HISTORY delta.`file://{folder}/table`",
    "DESCRIBE TABLE delta.`file://{folder}/table`",
    "SHOW CREATE TABLE delta.`file://{folder}/table`",
    "SHOW COLUMNS IN delta.`file://{folder}/table`",
    # Settings that load classes, open connections or undo what the server has set.
    "SET spark.sql.catalog.evil ="
    " org.apache.spark.sql.execution.datasources.v2.jdbc.JDBCTableCatalog",
    "SHOW NAMESPACES IN evil",
    "USE evil",
    "SET CATALOG evil",
    "SELECT * FROM evil.flo.drops",
    "SET spark.sql.catalog.evil.url = jdbc:derby:;databaseName={folder}/made",
    "SET spark.sql.thriftServer.incrementalCollect = false",
    "SET spark.sql.variable.substitute = true",
    "SET spark.sql.runSQLOnFiles = true",
    "SET spark.sql.session.timeZone = ${{env:HOME}}",
    "SET spark.hadoop.hive.server2.thrift.port",
    "SET",
    "RESET spark.sql.extensions",
    "SET VAR a = 1",
    "DECLARE VARIABLE a INT",
)

# What BI tools ask on their way to the rows, questions of many kinds, and a part of each answer.
QUESTIONS = (
    ("SHOW DATABASES", "flo"),
    ("SHOW TABLES IN flo", "customer_features"),
    ("DESCRIBE customer_features", "master_id\tstring"),
    ("DESCRIBE HISTORY customer_features", "CREATE TABLE"),
    ("EXPLAIN SELECT * FROM drops", "Physical Plan"),
    ("SELECT count(*) FROM customer_features VERSION AS OF 0", "0"),
    ("SELECT DISTINCT state FROM drops d JOIN customer_features f USING (drop_id)", "ingested"),
    ("SET spark.sql.ansi.enabled = true", "spark.sql.ansi.enabled"),
    ("SET -v", "spark.sql.ansi.enabled"),
    ("SET spark.sql.hive.version", "spark.sql.hive.version"),
    ("SET TIME ZONE 'Europe/Istanbul'", "Europe/Istanbul"),
    ("RESET", ""),
    ("USE flo", ""),
    ("SHOW CATALOGS", "spark_catalog"),
    ("SHOW NAMESPACES IN spark_catalog", "flo"),
    ("SHOW COLUMNS IN flo.drops", "drop_id"),
    ("SHOW TBLPROPERTIES customer_features", "delta."),
    ("SHOW FUNCTIONS LIKE 'abs'", "abs"),
    ("DESCRIBE EXTENDED spark_catalog.flo.drops", "Location"),
    ("DESCRIBE DETAIL drops", "delta"),
    ("DESCRIBE FUNCTION abs", "absolute value"),
    ("SELECT * FROM VALUES (1, 'x') AS t (a, b)", "x"),
    ("SELECT sum(n) FROM (SELECT explode(sequence(1, 4)) AS n)", "10"),
    ("SELECT id, row_number() OVER (ORDER BY id DESC) FROM range(2)", "1"),
    (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3)"
        " SELECT max(n) FROM r",
        "3",
    ),
    ("SELECT * FROM (SELECT state FROM drops) PIVOT (max('one') FOR state IN ('ingested'))", "one"),
    (
        "SELECT a FROM (SELECT 1 AS a) GROUP BY ROLLUP (a) HAVING a IS NOT NULL"
        " UNION SELECT 2 EXCEPT SELECT 2 INTERSECT SELECT 3 ORDER BY 1 LIMIT 5 OFFSET 0",
        "1",
    ),
    (
        "SELECT c FROM drops, LATERAL (SELECT drops.rows_read AS c)",
        "1",
    ),
    ("SELECT DISTINCT extract(YEAR FROM DATE'2026-01-02') || '!', 2 BETWEEN 1 AND 3", "2026!"),
    ("SELECT * FROM drops |> WHERE state = 'ingested' |> AGGREGATE max('one')", "one"),
    (
        "SELECT count(DISTINCT state), listagg(state, ','), percentile_cont(0.5) WITHIN GROUP"
        " (ORDER BY rows_read), count(*) FILTER (WHERE true) FROM drops",
        "ingested",
    ),
    (
        "SELECT state, first_value(path) IGNORE NULLS OVER w FROM drops"
        " WINDOW w AS (PARTITION BY state ORDER BY path)",
        "ingested",
    ),
    (
        "SELECT IF(true, 'yes', 'no'), CASE WHEN 1 IN (1, 2) THEN 1 END, 'a' LIKE ANY ('a', 'b'),"
        " -1 + ~1, NOT true OR 1 <> 2 AND 3 != 4, 1 <=> NULL, 5 DIV 2, trim(BOTH 'x' FROM 'xax'),"
        " position('a' IN 'ba'), timestampdiff(DAY, current_timestamp, current_timestamp),"
        " timestampadd(DAY, 1, current_date) > current_date, array(1)[0], map('a', 1)['a'],"
        " INTERVAL 1 DAY, current_user, overlay('abc' PLACING 'x' FROM 1), 'a' RLIKE 'a'",
        "yes",
    ),
    (
        "SELECT /*+ BROADCAST(d) */ state FROM drops d LEFT ANTI JOIN drops e ON d.path = e.state",
        "ingested",
    ),
    ("SELECT * FROM (VALUES (1, 2)) t (a, b) UNPIVOT (v FOR n IN (a, b))", "b"),
    ("SELECT get_json_object(to_json(named_struct('a', 7)), '$.a')", "7"),
    ("SELECT * FROM drops WHERE nonsense = 1", "UNRESOLVED_COLUMN"),
)

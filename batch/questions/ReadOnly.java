import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import io.delta.sql.parser.DeltaSqlParser;
import org.apache.hadoop.fs.Path;
import org.apache.hive.service.cli.HiveSQLException;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.analysis.ResolvedTable;
import org.apache.spark.sql.catalyst.analysis.UnresolvedFunction;
import org.apache.spark.sql.catalyst.analysis.UnresolvedFunctionName;
import org.apache.spark.sql.catalyst.analysis.UnresolvedGenerator;
import org.apache.spark.sql.catalyst.analysis.UnresolvedNamespace;
import org.apache.spark.sql.catalyst.analysis.UnresolvedRelation;
import org.apache.spark.sql.catalyst.analysis.UnresolvedTable;
import org.apache.spark.sql.catalyst.analysis.UnresolvedTableOrView;
import org.apache.spark.sql.catalyst.analysis.UnresolvedTableValuedFunction;
import org.apache.spark.sql.catalyst.parser.ParameterContext;
import org.apache.spark.sql.catalyst.parser.ParseException;
import org.apache.spark.sql.catalyst.parser.ParserInterface;
import org.apache.spark.sql.catalyst.plans.logical.Command;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.delta.catalog.DeltaTableV2;
import org.apache.spark.sql.execution.command.ResetCommand;
import org.apache.spark.sql.execution.command.SetCommand;
import org.apache.spark.sql.execution.command.SetNamespaceCommand;
import org.apache.spark.sql.execution.datasources.FileIndex;
import org.apache.spark.sql.execution.datasources.HadoopFsRelation;
import org.apache.spark.sql.execution.datasources.LogicalRelation;
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2Relation;
import org.apache.spark.unsafe.Platform;
import scala.Option;
import scala.Product;
import scala.Tuple2;
import scala.collection.Iterable;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;
import scala.runtime.AbstractFunction2;
import scala.runtime.BoxedUnit;

/**
 * Lets through what is listed in allowed.toml, and nothing else, in each session that a client gets.
 *
 * <p>What a client has written is looked at as it comes from the parser, before Spark opens what a
 * name stands for or evaluates an argument: all that is in it has to be listed. What is then read is
 * looked at once Spark knows where it lies. Steps and functions that Spark and Delta put in between
 * are their own affair.
 *
 * <p>Written for Janino, which Spark compiles its own code with: no generics, no lambdas.
 */
public final class ReadOnly {
    private static final String DELTA = "org.apache.spark.sql.delta.";
    /** SQLSTATE of a lacking privilege. */
    private static final String DENIED = "42501";

    private Set syntax;
    private Set sources;
    private Set functions;
    private Set databases;
    private Set catalogs;
    private Map settings;
    private Path tables;

    /** Take the lists, by the names that they have in the file, and where the tables are. */
    public void allow(Map lists, Map settings, String tables) {
        this.syntax = (Set) lists.get("syntax");
        this.sources = (Set) lists.get("sources");
        this.functions = (Set) lists.get("functions");
        this.databases = (Set) lists.get("databases");
        this.catalogs = (Set) lists.get("catalogs");
        this.settings = settings;
        this.tables = new Path(tables);
    }

    /** Hold all sessions that are opened from now on to the lists. */
    public void guard(SparkSession spark) {
        SparkSessionExtensions extensions = spark.extensions();
        extensions.injectParser(new EachParser(this));
        extensions.injectCheckRule(new EachCheck(this));
    }

    /** Say what is wrong with a client's setting, or null. A client reads where value is null. */
    public String objection(String name, String value) {
        Object pattern = settings.get(name);
        if (pattern == null) {
            return sentence("the setting " + name);
        }
        return value == null || value.matches((String) pattern)
            ? null
            : sentence("this value of the setting " + name);
    }

    public static String sentence(String what) {
        return "This server only reads: it answers SELECT, SHOW, DESCRIBE and EXPLAIN; "
            + what + " is refused.";
    }

    public static HiveSQLException refusal(String sentence) {
        return new Refusal(sentence);
    }

    /** Look at whatever the parser has made of a text, however deep it is in it. */
    private void look(Object part) {
        if (part instanceof TreeNode) {
            String name = nameOf(part);
            if (!syntax.contains(name)) {
                refuse(name);
            }
            checkFunction(part);
            checkName(part);
            checkSettings(part);
        }
        Iterator parts = null;
        if (part instanceof Iterable) {
            parts = iterate((Iterable) part);
        } else if (part instanceof Product) {
            parts = CollectionConverters.asJava(((Product) part).productIterator());
        }
        while (parts != null && parts.hasNext()) {
            look(parts.next());
        }
    }

    /** A Scala object's class ends in a dollar. */
    private static String nameOf(Object node) {
        return node.getClass().getSimpleName().replace("$", "");
    }

    private void checkFunction(Object node) {
        Iterable name = null;
        if (node instanceof UnresolvedFunction) {
            name = ((UnresolvedFunction) node).nameParts();
        } else if (node instanceof UnresolvedGenerator) {
            name = ((UnresolvedGenerator) node).name().nameParts();
        } else if (node instanceof UnresolvedTableValuedFunction) {
            name = ((UnresolvedTableValuedFunction) node).name();
        } else if (node instanceof UnresolvedFunctionName) {
            name = ((UnresolvedFunctionName) node).multipartIdentifier();
        }
        if (name != null) {
            String whole = name.mkString(".").toLowerCase(Locale.ROOT);
            if (!functions.contains(whole)) {
                refuse("the function " + whole);
            }
        }
    }

    /** A name with others before it is one of our database, never a format with a path. */
    private void checkName(Object node) {
        if (node instanceof UnresolvedRelation) {
            if (!((UnresolvedRelation) node).options().isEmpty()) {
                refuse("a table with options");
            }
            checkTableName(((UnresolvedRelation) node).multipartIdentifier());
        } else if (node instanceof UnresolvedTable) {
            checkTableName(((UnresolvedTable) node).multipartIdentifier());
        } else if (node instanceof UnresolvedTableOrView) {
            checkTableName(((UnresolvedTableOrView) node).multipartIdentifier());
        } else if (node instanceof UnresolvedNamespace) {
            checkNamespace(asList(((UnresolvedNamespace) node).multipartIdentifier()));
        } else if (node instanceof SetNamespaceCommand) {
            checkNamespace(asList(((SetNamespaceCommand) node).namespace()));
        }
    }

    private void checkTableName(Iterable name) {
        List parts = asList(name);
        checkNamespace(parts.subList(0, parts.size() - 1));
    }

    /** A database, or a catalog, or the one in the other. */
    private void checkNamespace(List parts) {
        for (int at = 0; at < parts.size(); at++) {
            String name = ((String) parts.get(at)).toLowerCase(Locale.ROOT);
            boolean isLast = at == parts.size() - 1;
            if (!(isLast && databases.contains(name) || at == 0 && catalogs.contains(name))) {
                refuse("the database " + name);
            }
        }
    }

    private void checkSettings(Object node) {
        if (node instanceof SetCommand) {
            Option asked = ((SetCommand) node).kv();
            if (asked.isEmpty()) {
                refuse("SET without a name, which would show all settings,");
            }
            Tuple2 pair = (Tuple2) asked.get();
            Option value = (Option) pair._2();
            checkSetting((String) pair._1(), value.isEmpty() ? null : (String) value.get());
        } else if (node instanceof ResetCommand && ((ResetCommand) node).config().isDefined()) {
            checkSetting((String) ((ResetCommand) node).config().get(), null);
        }
    }

    private void checkSetting(String name, String value) {
        String objection = objection(name, value);
        if (objection != null) {
            Platform.throwException(new Refusal(objection));
        }
    }

    private void checkSources(LogicalPlan plan) {
        checkLeaves(plan);
        for (Iterator each = iterate(plan.subqueriesAll()); each.hasNext(); ) {
            checkLeaves((LogicalPlan) each.next());
        }
    }

    private void checkLeaves(LogicalPlan plan) {
        for (Iterator each = iterate(plan.collectLeaves()); each.hasNext(); ) {
            checkSource((LogicalPlan) each.next());
        }
    }

    /** What is read lies below the lake's tables, and is read by Delta; so are Delta's own logs. */
    private void checkSource(LogicalPlan plan) {
        if (plan instanceof DataSourceV2Relation) {
            checkTable(((DataSourceV2Relation) plan).table());
        } else if (plan instanceof ResolvedTable) {
            checkTable(((ResolvedTable) plan).table());
        } else if (plan instanceof LogicalRelation) {
            checkFiles(((LogicalRelation) plan).relation());
        } else if (!(plan instanceof Command) && !sources.contains(nameOf(plan))) {
            refuse("the source " + nameOf(plan));
        }
    }

    private void checkTable(Object table) {
        if (!(table instanceof DeltaTableV2)) {
            refuse("a source that is no Delta table");
        }
        checkPath(((DeltaTableV2) table).path());
    }

    private void checkFiles(Object relation) {
        if (!(relation instanceof HadoopFsRelation)) {
            refuse("a source that is no Delta table");
        }
        FileIndex files = ((HadoopFsRelation) relation).location();
        if (!files.getClass().getName().startsWith(DELTA)) {
            refuse("a source that is no Delta table");
        }
        for (Iterator each = iterate(files.rootPaths()); each.hasNext(); ) {
            checkPath((Path) each.next());
        }
    }

    private void checkPath(Path path) {
        for (Path at = path.makeQualified(tables.toUri(), tables); at != null; at = at.getParent()) {
            if (at.equals(tables)) {
                return;
            }
        }
        refuse("what does not lie below the tables");
    }

    private static List asList(Iterable elements) {
        return new ArrayList(CollectionConverters.asJavaCollection(elements));
    }

    private static Iterator iterate(Iterable elements) {
        return CollectionConverters.asJavaCollection(elements).iterator();
    }

    static void refuse(String what) {
        Platform.throwException(new Refusal(sentence(what)));
    }

    /** Spark makes a parser for each session; this puts another before it. */
    private static final class EachParser extends AbstractFunction2 {
        private final ReadOnly lists;

        EachParser(ReadOnly lists) {
            this.lists = lists;
        }

        public Object apply(Object session, Object parser) {
            return new Parser(lists, (ParserInterface) parser);
        }
    }

    /** Parses as Delta does, and looks at what comes of it. */
    private static final class Parser extends DeltaSqlParser {
        private final ReadOnly lists;

        Parser(ReadOnly lists, ParserInterface parser) {
            super(parser);
            this.lists = lists;
        }

        public LogicalPlan parsePlan(String text) {
            return looked(super.parsePlan(text));
        }

        public LogicalPlan parsePlanWithParameters(String text, ParameterContext parameters)
                throws ParseException {
            return looked(super.parsePlanWithParameters(text, parameters));
        }

        public LogicalPlan parseQuery(String text) {
            return looked(super.parseQuery(text));
        }

        private LogicalPlan looked(LogicalPlan plan) {
            lists.look(plan);
            return plan;
        }
    }

    /** Spark asks this for each session what is to be asked about each analysed plan. */
    private static final class EachCheck extends AbstractFunction1 {
        private final ReadOnly lists;

        EachCheck(ReadOnly lists) {
            this.lists = lists;
        }

        public Object apply(Object session) {
            return new Check(lists);
        }
    }

    private static final class Check extends AbstractFunction1 {
        private final ReadOnly lists;

        Check(ReadOnly lists) {
            this.lists = lists;
        }

        public Object apply(Object plan) {
            lists.checkSources((LogicalPlan) plan);
            return BoxedUnit.UNIT;
        }
    }

    /** A sentence for the client: the server would send a trace along, and clients would show it. */
    private static final class Refusal extends HiveSQLException {
        Refusal(String message) {
            super(message, DENIED);
        }

        public Throwable fillInStackTrace() {
            return this;
        }

        public void setStackTrace(StackTraceElement[] trace) {
        }

        public String toString() {
            return getMessage();
        }
    }
}

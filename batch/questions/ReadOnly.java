import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.hadoop.fs.Path;
import org.apache.hive.service.cli.HiveSQLException;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.analysis.FunctionRegistryBase;
import org.apache.spark.sql.catalyst.analysis.RelationTimeTravel;
import org.apache.spark.sql.catalyst.analysis.ResolvedNamespace;
import org.apache.spark.sql.catalyst.analysis.ResolvedTable;
import org.apache.spark.sql.catalyst.analysis.UnresolvedFunction;
import org.apache.spark.sql.catalyst.analysis.UnresolvedRelation;
import org.apache.spark.sql.catalyst.analysis.UnresolvedTable;
import org.apache.spark.sql.catalyst.analysis.UnresolvedTableOrView;
import org.apache.spark.sql.catalyst.analysis.UnresolvedTableValuedFunction;
import org.apache.spark.sql.catalyst.analysis.UnresolvedView;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ExpressionInfo;
import org.apache.spark.sql.catalyst.expressions.PlanExpression;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.delta.DeltaLogFileIndex;
import org.apache.spark.sql.delta.catalog.DeltaTableV2;
import org.apache.spark.sql.execution.command.ResetCommand;
import org.apache.spark.sql.execution.command.SetCommand;
import org.apache.spark.sql.execution.datasources.FileIndex;
import org.apache.spark.sql.execution.datasources.HadoopFsRelation;
import org.apache.spark.sql.execution.datasources.LogicalRelation;
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2Relation;
import org.apache.spark.unsafe.Platform;
import scala.Option;
import scala.Tuple2;
import scala.collection.Iterable;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * Lets through what is listed in allowed.toml, and nothing else, in each session that a client gets.
 *
 * <p>A plan is looked at twice: as it was parsed, by the names in it, before Spark opens what a name
 * stands for or evaluates an argument; and as it was analysed, by the places that are read and by the
 * functions' classes, before anything of it is executed.
 *
 * <p>Written for Janino, which Spark compiles its own code with: no generics, no lambdas.
 */
public final class ReadOnly {
    private static final String DELTA = "org.apache.spark.sql.delta.";
    /** SQLSTATE of a lacking privilege. */
    private static final String DENIED = "42501";

    private Set plans;
    private Set ofDelta;
    private Set functions;
    private Set databases;
    private Set catalogs;
    private Map settings;
    private Path tables;
    /** Of functions: a class of an allowed one may stand for a refused one as well. */
    private final Set allowedClasses = new HashSet();
    private final Set refusedClasses = new HashSet();

    /** Take the lists, by the names that they have in the file, and where the tables are. */
    public void allow(Map lists, Map settings, String tables) {
        this.plans = (Set) lists.get("plans");
        this.ofDelta = (Set) lists.get("of_delta");
        this.functions = (Set) lists.get("functions");
        this.databases = (Set) lists.get("databases");
        this.catalogs = (Set) lists.get("catalogs");
        this.settings = settings;
        this.tables = new Path(tables);
    }

    /** Hold all sessions that are opened from now on to the lists. */
    public void guard(SparkSession spark) {
        learnClasses(spark.sessionState().functionRegistry());
        learnClasses(spark.sessionState().tableFunctionRegistry());
        refusedClasses.removeAll(allowedClasses);
        SparkSessionExtensions extensions = spark.extensions();
        extensions.injectHintResolutionRule(new EachSession(this, true));
        extensions.injectCheckRule(new EachSession(this, false));
    }

    private void learnClasses(FunctionRegistryBase registry) {
        for (Iterator each = iterate(registry.listFunction()); each.hasNext(); ) {
            FunctionIdentifier function = (FunctionIdentifier) each.next();
            ExpressionInfo info = (ExpressionInfo) registry.lookupFunction(function).get();
            boolean isAllowed = functions.contains(function.funcName());
            (isAllowed ? allowedClasses : refusedClasses).add(info.getClassName());
        }
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

    void check(LogicalPlan plan) {
        checkPlan(plan, !isDeltas(plan));
    }

    /** Tell whether Delta itself asks, in the client's session: no text of a client's reads its logs. */
    private boolean isDeltas(LogicalPlan plan) {
        if (ofDelta.contains(plan.getClass().getSimpleName())) {
            return true;
        }
        if (plan instanceof LogicalRelation
                && ((LogicalRelation) plan).relation() instanceof HadoopFsRelation) {
            HadoopFsRelation relation = (HadoopFsRelation) ((LogicalRelation) plan).relation();
            return relation.location() instanceof DeltaLogFileIndex;
        }
        for (Iterator each = iterate(plan.children()); each.hasNext(); ) {
            if (isDeltas((LogicalPlan) each.next())) {
                return true;
            }
        }
        return false;
    }

    private void checkPlan(LogicalPlan plan, boolean isAsked) {
        // A Scala object's class ends in a dollar.
        String name = plan.getClass().getSimpleName().replace("$", "");
        if (!plans.contains(name)) {
            refuse(name);
        }
        if (plan instanceof RelationTimeTravel) {
            checkPlan(((RelationTimeTravel) plan).relation(), isAsked);
        }
        if (plan instanceof UnresolvedTableValuedFunction) {
            checkFunctionName(((UnresolvedTableValuedFunction) plan).name());
        }
        checkSettings(plan);
        checkName(plan);
        checkSource(plan);
        for (Iterator each = iterate(plan.expressions()); each.hasNext(); ) {
            checkExpression((Expression) each.next(), isAsked);
        }
        for (Iterator each = iterate(plan.children()); each.hasNext(); ) {
            checkPlan((LogicalPlan) each.next(), isAsked);
        }
    }

    private void checkExpression(Expression expression, boolean isAsked) {
        if (isAsked) {
            checkFunction(expression);
        }
        if (expression instanceof PlanExpression
                && ((PlanExpression) expression).plan() instanceof LogicalPlan) {
            checkPlan((LogicalPlan) ((PlanExpression) expression).plan(), isAsked);
        }
        for (Iterator each = iterate(expression.children()); each.hasNext(); ) {
            checkExpression((Expression) each.next(), isAsked);
        }
    }

    private void checkFunction(Expression expression) {
        if (expression instanceof UnresolvedFunction
                && !((UnresolvedFunction) expression).isInternal()) {
            checkFunctionName(((UnresolvedFunction) expression).nameParts());
        }
        String name = expression.getClass().getSimpleName();
        if (refusedClasses.contains(expression.getClass().getName())) {
            refuse("the function " + expression.prettyName());
        } else if (name.startsWith("ExpressionWithUnresolvedIdentifier")) {
            refuse("a function whose name is computed");
        }
    }

    /** Whatever stands before a function's name, it is the name that is listed. */
    private void checkFunctionName(Iterable nameParts) {
        List parts = new ArrayList(CollectionConverters.asJavaCollection(nameParts));
        String name = (String) parts.get(parts.size() - 1);
        if (!isIn(functions, name)) {
            refuse("the function " + name);
        }
    }

    private void checkSettings(LogicalPlan plan) {
        if (plan instanceof SetCommand) {
            Option asked = ((SetCommand) plan).kv();
            if (asked.isEmpty()) {
                refuse("SET without a name, which would show all settings,");
            }
            Tuple2 pair = (Tuple2) asked.get();
            Option value = (Option) pair._2();
            checkSetting((String) pair._1(), value.isEmpty() ? null : (String) value.get());
        } else if (plan instanceof ResetCommand && ((ResetCommand) plan).config().isDefined()) {
            checkSetting((String) ((ResetCommand) plan).config().get(), null);
        }
    }

    private void checkSetting(String name, String value) {
        String objection = objection(name, value);
        if (objection != null) {
            Platform.throwException(new Refusal(objection));
        }
    }

    /** A name with others before it is one of our database, never a format with a path. */
    private void checkName(LogicalPlan plan) {
        Iterable name = null;
        if (plan instanceof UnresolvedRelation) {
            name = ((UnresolvedRelation) plan).multipartIdentifier();
        } else if (plan instanceof UnresolvedTable) {
            name = ((UnresolvedTable) plan).multipartIdentifier();
        } else if (plan instanceof UnresolvedTableOrView) {
            name = ((UnresolvedTableOrView) plan).multipartIdentifier();
        } else if (plan instanceof UnresolvedView) {
            name = ((UnresolvedView) plan).multipartIdentifier();
        }
        if (name == null) {
            return;
        }
        List parts = new ArrayList(CollectionConverters.asJavaCollection(name));
        int last = parts.size() - 1;
        if (last > 0 && !isIn(databases, parts.get(last - 1))
                || last > 1 && !isIn(catalogs, parts.get(last - 2))
                || last > 2) {
            refuse("a table that is none of the database's");
        }
    }

    private static boolean isIn(Set names, Object name) {
        return names.contains(((String) name).toLowerCase(Locale.ROOT));
    }

    /** What is read lies below the lake's tables, and is read by Delta; so are Delta's own logs. */
    private void checkSource(LogicalPlan plan) {
        if (plan instanceof DataSourceV2Relation) {
            checkTable(((DataSourceV2Relation) plan).table());
        } else if (plan instanceof ResolvedTable) {
            checkCatalog(((ResolvedTable) plan).catalog().name());
            checkTable(((ResolvedTable) plan).table());
        } else if (plan instanceof ResolvedNamespace) {
            checkCatalog(((ResolvedNamespace) plan).catalog().name());
        } else if (plan instanceof LogicalRelation) {
            Object relation = ((LogicalRelation) plan).relation();
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
    }

    private void checkTable(Object table) {
        if (!(table instanceof DeltaTableV2)) {
            refuse("a source that is no Delta table");
        }
        checkPath(((DeltaTableV2) table).path());
    }

    private void checkPath(Path path) {
        Path full = path.makeQualified(tables.toUri(), tables);
        for (Path at = full; at != null; at = at.getParent()) {
            if (at.equals(tables)) {
                return;
            }
        }
        refuse("what does not lie below the tables");
    }

    private void checkCatalog(String name) {
        if (!isIn(catalogs, name)) {
            refuse("the catalog " + name);
        }
    }

    private static Iterator iterate(Iterable elements) {
        return CollectionConverters.asJavaCollection(elements).iterator();
    }

    static void refuse(String what) {
        Platform.throwException(new Refusal(sentence(what)));
    }

    /** What Spark makes once for each session: the look at parsed plans, or at analysed ones. */
    private static final class EachSession extends AbstractFunction1 {
        private final ReadOnly lists;
        private final boolean isEarly;

        EachSession(ReadOnly lists, boolean isEarly) {
            this.lists = lists;
            this.isEarly = isEarly;
        }

        public Object apply(Object session) {
            return isEarly ? (Object) new Parsed(lists) : (Object) new Analysed(lists);
        }
    }

    private static final class Parsed extends Rule {
        private final ReadOnly lists;

        Parsed(ReadOnly lists) {
            this.lists = lists;
        }

        public TreeNode apply(TreeNode plan) {
            lists.check((LogicalPlan) plan);
            return plan;
        }
    }

    private static final class Analysed extends AbstractFunction1 {
        private final ReadOnly lists;

        Analysed(ReadOnly lists) {
            this.lists = lists;
        }

        public Object apply(Object plan) {
            lists.check((LogicalPlan) plan);
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

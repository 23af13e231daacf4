import java.util.Iterator;
import org.apache.hive.service.cli.HiveSQLException;
import org.apache.spark.sql.catalyst.expressions.CallMethodViaReflection;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.PlanExpression;
import org.apache.spark.sql.catalyst.plans.logical.Command;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.ScriptTransformation;
import org.apache.spark.sql.execution.datasources.HadoopFsRelation;
import org.apache.spark.sql.execution.datasources.LogicalRelation;
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2Relation;
import org.apache.spark.unsafe.Platform;
import scala.collection.Iterable;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * A check of Spark's analyzer that lets questions through and nothing else.
 *
 * <p>Spark calls it with each session and gets the check, which it calls with each analysed plan,
 * before anything of it is executed. Commands are let through by name, so that one which Spark or
 * Delta adds later is refused until somebody has looked at it.
 *
 * <p>Written for Janino, which Spark compiles its own code with: no generics, no lambdas.
 */
public final class ReadOnly extends AbstractFunction1 {
    private static final String ASKING =
        "(Show|Describe)\\w+|(Explain|Set|Reset)Command|SetCatalogAndNamespace|SetNamespaceCommand";
    private static final String DELTA = "org.apache.spark.sql.delta.";
    /** SQLSTATE of a lacking privilege. */
    private static final String DENIED = "42501";

    public Object apply(Object session) {
        return new Check();
    }

    private static final class Check extends AbstractFunction1 {
        public Object apply(Object plan) {
            checkPlan((LogicalPlan) plan);
            return BoxedUnit.UNIT;
        }
    }

    static void checkPlan(LogicalPlan plan) {
        String name = plan.getClass().getSimpleName();
        if (plan instanceof Command && !name.matches(ASKING)) {
            refuse(name);
        }
        if (plan instanceof ScriptTransformation) {
            refuse("TRANSFORM, which would run a program here,");
        }
        // Other files and sources would be read as the one who started the server.
        Object source = sourceOf(plan);
        if (source != null && !source.getClass().getName().startsWith(DELTA)) {
            refuse("a source that is no Delta table");
        }
        for (Iterator each = iterate(plan.expressions()); each.hasNext(); ) {
            checkExpression((Expression) each.next());
        }
        for (Iterator each = iterate(plan.children()); each.hasNext(); ) {
            checkPlan((LogicalPlan) each.next());
        }
    }

    private static void checkExpression(Expression expression) {
        if (expression instanceof CallMethodViaReflection) {
            refuse("a call of Java");
        }
        if (expression instanceof PlanExpression
                && ((PlanExpression) expression).plan() instanceof LogicalPlan) {
            checkPlan((LogicalPlan) ((PlanExpression) expression).plan());
        }
        for (Iterator each = iterate(expression.children()); each.hasNext(); ) {
            checkExpression((Expression) each.next());
        }
    }

    /** What a leaf of a plan reads from, or null where it is none; Delta reads its logs so, too. */
    private static Object sourceOf(LogicalPlan plan) {
        if (plan instanceof DataSourceV2Relation) {
            return ((DataSourceV2Relation) plan).table();
        }
        if (!(plan instanceof LogicalRelation)) {
            return null;
        }
        Object relation = ((LogicalRelation) plan).relation();
        return relation instanceof HadoopFsRelation
            ? ((HadoopFsRelation) relation).location()
            : relation;
    }

    private static Iterator iterate(Iterable elements) {
        return CollectionConverters.asJavaCollection(elements).iterator();
    }

    private static void refuse(String what) {
        Platform.throwException(new Refusal(
            "This server only reads: it answers SELECT, SHOW, DESCRIBE and EXPLAIN; "
                + what + " is refused."));
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

import java.lang.invoke.MethodHandles;
import java.lang.reflect.Method;
import java.util.Iterator;
import java.util.Map;
import org.apache.hadoop.hive.conf.HiveConf;
import org.apache.hive.service.CompositeService;
import org.apache.hive.service.Service;
import org.apache.hive.service.auth.PasswdAuthenticationProvider;
import org.apache.hive.service.cli.CLIService;
import org.apache.hive.service.cli.HiveSQLException;
import org.apache.hive.service.cli.thrift.ThriftBinaryCLIService;
import org.apache.hive.service.rpc.thrift.TOpenSessionReq;
import org.apache.hive.service.rpc.thrift.TOpenSessionResp;
import org.apache.hive.service.rpc.thrift.TProtocolVersion;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.hive.HiveUtils$;
import org.apache.spark.sql.hive.thriftserver.HiveThriftServer2;
import org.apache.spark.sql.hive.thriftserver.HiveThriftServer2$;
import org.apache.spark.sql.hive.thriftserver.ReflectionUtils$;
import org.apache.thrift.TException;

/**
 * Where clients come in: Spark's Thrift server, which asks the lists about each client's settings.
 *
 * <p>What a client sends when it connects goes to Hive, which sets Java's system properties by it,
 * and to the session's settings, past Spark's analyzer. So it is looked at here, before that.
 */
public final class Door {
    /** Start the server as HiveThriftServer2.startWithSparkSession does, with this door in it. */
    public HiveThriftServer2 open(SparkSession spark, ReadOnly lists) throws Exception {
        HiveThriftServer2$ starter = HiveThriftServer2$.MODULE$;
        starter.systemExitOnError().set(false);
        HiveConf conf = HiveUtils$.MODULE$
            .newClientForExecution(spark.sparkContext().conf(), spark.sessionState().newHadoopConf())
            .conf();
        HiveThriftServer2 server = new HiveThriftServer2(spark);
        server.init(conf);
        exchange(server, conf, lists);
        server.start();
        Method listen = HiveThriftServer2$.class.getDeclaredMethod(
            "createListenerAndUI", new Class[] {HiveThriftServer2.class, SparkContext.class});
        listen.setAccessible(true);
        listen.invoke(starter, new Object[] {server, spark.sparkContext()});
        return server;
    }

    /** Have Hive find a class by its name, whichever thread of the server looks for it. */
    public void declare(byte[] compiled) throws Exception {
        MethodHandles.privateLookupIn(PasswdAuthenticationProvider.class, MethodHandles.lookup())
            .defineClass(compiled);
    }

    private static void exchange(HiveThriftServer2 server, HiveConf conf, ReadOnly lists)
            throws Exception {
        CLIService service =
            (CLIService) ReflectionUtils$.MODULE$.getSuperField(server, "cliService");
        Service old =
            (Service) ReflectionUtils$.MODULE$.getSuperField(server, "thriftCLIService");
        Entrance door = new Entrance(service, lists);
        door.init(conf);
        change(server, "removeService", old);
        change(server, "addService", door);
        ReflectionUtils$.MODULE$.setSuperField(server, "thriftCLIService", door);
    }

    private static void change(HiveThriftServer2 server, String how, Service service)
            throws Exception {
        Method method = CompositeService.class.getDeclaredMethod(how, new Class[] {Service.class});
        method.setAccessible(true);
        method.invoke(server, new Object[] {service});
    }

    private static final class Entrance extends ThriftBinaryCLIService {
        private static final String[] SETTING = {"set:hiveconf:", "set:hivevar:", "set:"};

        private final ReadOnly lists;

        Entrance(CLIService service, ReadOnly lists) {
            super(service);
            this.lists = lists;
        }

        public TOpenSessionResp OpenSession(TOpenSessionReq request) throws TException {
            String objection = request.isSetConfiguration() ? find(request.getConfiguration()) : null;
            if (objection == null) {
                return super.OpenSession(request);
            }
            TOpenSessionResp refused = new TOpenSessionResp();
            refused.setServerProtocolVersion(TProtocolVersion.HIVE_CLI_SERVICE_PROTOCOL_V8);
            refused.setStatus(HiveSQLException.toTStatus(ReadOnly.refusal(objection)));
            return refused;
        }

        private String find(Map sent) {
            for (Iterator each = sent.entrySet().iterator(); each.hasNext(); ) {
                Map.Entry entry = (Map.Entry) each.next();
                String name = (String) entry.getKey();
                String value = (String) entry.getValue();
                if (name.equals("use:database")) {
                    if (!value.matches("\\w+")) {
                        return ReadOnly.sentence("a database of this name");
                    }
                    continue;
                }
                String objection = lists.objection(bare(name), value);
                if (objection != null) {
                    return objection;
                }
            }
            return null;
        }

        private static String bare(String name) {
            for (int at = 0; at < SETTING.length; at++) {
                if (name.startsWith(SETTING[at])) {
                    return name.substring(SETTING[at].length());
                }
            }
            return name;
        }
    }
}

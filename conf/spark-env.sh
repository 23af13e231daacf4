# Read by Spark's own scripts when SPARK_CONF_DIR is this directory: gives plain `spark-sql`,
# `pyspark`, `spark-submit` and a PySpark session our jars, Java, Python and HDFS. Whatever the
# caller has set stays.

_flo_root="$(cd "${SPARK_CONF_DIR:-$(dirname "${BASH_SOURCE:-$0}")}/.." && pwd)"

# On a cluster there is no .jars/ beside conf/: there the jars are given with --jars.
if [ -d "${_flo_root}/.jars/spark" ]; then
  case ":${SPARK_DIST_CLASSPATH:-}:" in
    *":${_flo_root}/.jars/spark/*:"*) ;;
    *) SPARK_DIST_CLASSPATH="${SPARK_DIST_CLASSPATH:+${SPARK_DIST_CLASSPATH}:}${_flo_root}/.jars/spark/*" ;;
  esac
fi

# The sandbox, unless a cluster was named.
_flo_hadoop="$(cd "${FLO_VAR:-${_flo_root}/var}/hadoop" 2>/dev/null && pwd)"
if [ -n "${_flo_hadoop}" ] && [ -z "${HADOOP_CONF_DIR:-}" ]; then
  HADOOP_CONF_DIR="${_flo_hadoop}"
fi
# The sandbox opens nothing beyond this machine, so nor does a driver that uses it.
if [ -n "${_flo_hadoop}" ] && [ "${HADOOP_CONF_DIR}" = "${_flo_hadoop}" ]; then
  SPARK_LOCAL_IP="${SPARK_LOCAL_IP:-127.0.0.1}"
fi

# The Java that `make setup` chose, where JAVA_HOME says nothing or names one that Spark cannot use.
if [ -r "${_flo_root}/.jars/java_home" ]; then
  case "$(grep -s '^JAVA_VERSION=' "${JAVA_HOME:-/nowhere}/release")" in
    'JAVA_VERSION="17'*|'JAVA_VERSION="21'*) ;;
    *) JAVA_HOME="$(cat "${_flo_root}/.jars/java_home")" ;;
  esac
fi

# Python code runs in the environment that has our packages.
if [ -x "${_flo_root}/.venv/bin/python" ]; then
  PYSPARK_PYTHON="${PYSPARK_PYTHON:-${_flo_root}/.venv/bin/python}"
fi

unset _flo_root _flo_hadoop

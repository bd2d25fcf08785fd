"""Which names mean what: qualified names of Python, its library and well-known packages, by rule. Tables only.

``()`` in a name is an instance, or what a call gives: ``pathlib.Path().read_text`` is the method.
"""

from __future__ import annotations

from collections.abc import Mapping


def _words(names: str) -> list[str]:
    return names.split()


def _each(module: str, names: str) -> list[str]:
    return [f"{module}.{name}" for name in names.split()]


def _by_name(table: Mapping[str, list[str]]) -> Mapping[str, str]:
    return {name: code for code, names in table.items() for name in names}


# --- NEXUS itself -----------------------------------------------------------------------------------------------------

WORKFLOW = "nexus_sdk.workflow"
ACTIVITY = "nexus_sdk.activity"
CONTEXT = "nexus_sdk.Context"

OPERATIONS = frozenset(
    _words("sleep sleep_until wait_for_event gather race map call side_effect send_event continue_as_new complete")
)
"""Methods of ctx whose result must be yielded or awaited."""

SCOPES = frozenset({"saga", "timeout"})
"""Methods of ctx that are for `async with`."""

AT_ONCE = frozenset(
    _words(
        "instance_id run workflow_name version parent_id now uuid4 random is_replaying log patched set_status on_query"
    )
)
"""What ctx answers at once, so that a yield of it is a mistake."""

UNRECORDED = frozenset({"side_effect", "on_query"})
"""Methods of ctx that take a function in which everything is allowed."""

TAKES_OPERATIONS = frozenset({"gather", "race", "spawn"})
"""Methods of ctx whose arguments are operations."""

# --- by rule ----------------------------------------------------------------------------------------------------------

_TIME = (
    "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time "
    "thread_time_ns clock_gettime clock_gettime_ns"
)
_OS_ENVIRONMENT = (
    "getenv getenvb putenv unsetenv getcwd getcwdb getpid getppid getlogin getuid geteuid getgid uname cpu_count "
    "getloadavg sysconf process_cpu_count sched_getaffinity"
)
_OS_PROCESSES = "system popen fork forkpty kill killpg wait waitpid abort _exit posix_spawn posix_spawnp startfile nice"
_OS_EXEC = " ".join(
    f"{verb}{how}" for verb in ("exec", "spawn") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")
)

CALLS: Mapping[str, str] = _by_name(
    {
        "NXL101": [
            *_each("datetime.datetime", "now utcnow today"),
            "datetime.date.today",
            *_each("time", _TIME),
            *_each("pendulum", "now today tomorrow yesterday"),
            *_each("arrow", "now utcnow"),
            *_each("pandas.Timestamp", "now utcnow today"),
            *_each("django.utils.timezone", "now localtime localdate"),
            "asyncio.get_event_loop().time",
        ],
        "NXL102": ["time.sleep"],
        "NXL103": ["os.urandom", "os.getrandom", "random.SystemRandom", "ssl.RAND_bytes"],
        "NXL104": _each("uuid", "uuid1 uuid4 uuid6 uuid7 uuid8 getnode"),
        "NXL105": [
            *_each("os", _OS_ENVIRONMENT),
            *_each("socket", "gethostname getfqdn gethostbyname"),
            *_each("getpass", "getuser"),
            *_each("locale", "getlocale getpreferredencoding getencoding localeconv"),
            *_each("pathlib.Path", "cwd home"),
            *_each("importlib.metadata", "version distribution distributions"),
        ],
        "NXL106": ["builtins.id", "builtins.hash"],
        "NXL201": [
            *_each("builtins", "open"),
            *_each("io", "open open_code FileIO"),
            *_each("codecs", "open"),
            *_each("gzip", "open GzipFile"),
            *_each("bz2", "open BZ2File"),
            *_each("lzma", "open LZMAFile"),
            *_each("tarfile", "open TarFile"),
            *_each("zipfile", "ZipFile PyZipFile"),
            *_each("pandas", "read_csv read_json read_parquet read_excel read_sql read_pickle"),
            *_each("numpy", "load save savez loadtxt savetxt"),
        ],
        "NXL203": [
            "sqlalchemy.create_engine",
            *_each("sqlalchemy.orm", "Session sessionmaker scoped_session"),
            *_each("sqlalchemy.ext.asyncio", "create_async_engine AsyncSession async_sessionmaker"),
            *_each("django.db.transaction", "atomic on_commit"),
        ],
        "NXL205": [
            *_each("os", _OS_PROCESSES),
            *_each("os", _OS_EXEC),
        ],
        "NXL206": ["builtins.input", "builtins.breakpoint", *_each("getpass", "getpass")],
        "NXL408": _each("nexus_sdk", "activity_info heartbeat"),
        "NXL701": [
            "builtins.print",
            *_each("pprint", "pprint pp"),
            "warnings.warn",
            *_each("sys.stdout", "write writelines"),
            *_each("sys.stderr", "write writelines"),
        ],
    }
)
"""Functions and classes that may not be called, nor given to something that will."""

PACKAGES: Mapping[str, str] = _by_name(
    {
        "NXL103": ["random", "secrets", "numpy.random", "torch.random"],
        "NXL105": ["platform"],
        "NXL201": ["os", "shutil", "tempfile", "glob", "fileinput", "mmap", "dbm", "shelve", "aiofiles", "linecache"],
        "NXL202": _words(
            "requests httpx aiohttp urllib3 urllib.request http.client socket socketserver smtplib ftplib imaplib "
            "poplib nntplib telnetlib xmlrpc.client boto3 botocore aioboto3 aiobotocore google.cloud azure grpc "
            "websockets websocket paramiko pika aio_pika kafka aiokafka confluent_kafka nats openai anthropic stripe "
            "twilio slack_sdk kubernetes docker elasticsearch opensearchpy dns"
        ),
        "NXL203": _words(
            "sqlite3 aiosqlite psycopg psycopg2 asyncpg pymysql aiomysql MySQLdb pymongo motor redis "
            "django.db.connection"
        ),
        "NXL204": ["threading", "_thread", "concurrent.futures", "multiprocessing", "sched", "gevent", "joblib"],
        "NXL205": ["subprocess", "signal", "pty"],
        "NXL301": ["asyncio", "anyio", "trio", "curio", "uvloop"],
        "NXL409": ["nexus_sdk.Nexus", "nexus_sdk.Client", "nexus_sdk.Handle"],
        "NXL701": ["logging", "loguru", "structlog"],
    }
)
"""Packages and classes of which nothing may be called, but for `PURE`."""

PURE = frozenset(
    {
        "random.Random",
        "numpy.random.default_rng",
        *_each("os", "fspath fsencode fsdecode strerror"),
        *_each(
            "os.path", "join basename dirname split splitext splitdrive normpath normcase isabs commonprefix commonpath"
        ),
        *_each("socket", "inet_aton inet_ntoa inet_pton inet_ntop htons htonl ntohs ntohl"),
        *_each("asyncio", "iscoroutine iscoroutinefunction isfuture"),
        *_each("logging", "getLogger getLevelName"),
        *_each("structlog", "get_logger getLogger stdlib.get_logger"),
        *_each("signal", "strsignal Signals"),
        *_each("shutil", "get_terminal_size"),
        *_each("glob", "escape"),
    }
)
"""Exceptions to `PACKAGES`: pure functions, and what only makes an object."""

SEEDED = frozenset({"random.Random", "numpy.random.default_rng"})
"""Pure when they are given a seed."""

PURE_PARTS = frozenset({"types", "exceptions", "errors", "Response()", "Request()"})
"""A name with such a part is data: ``httpx.Response().json``, ``openai.types.…``."""

FACTORIES = frozenset(
    _words(
        "client resource connect create_connection create_pool cursor from_url from_dsn getLogger get_logger "
        "get_event_loop get_running_loop new_event_loop session socket"
    )
)
"""Functions that give an object to be used further: what it does is told too, what other functions give is data."""

PATH_CALLS = frozenset(
    _words(
        "absolute chmod exists expanduser glob group hardlink_to is_block_device is_char_device is_dir is_fifo is_file "
        "is_mount is_socket is_symlink iterdir lchmod lstat mkdir open owner read_bytes read_text readlink rename "
        "replace resolve rglob rmdir samefile stat symlink_to touch unlink walk write_bytes write_text"
    )
)
"""Methods of `pathlib.Path` that ask or change the file system."""

CLOCK_WITHOUT_ARGUMENTS = frozenset(
    [*_each("time", "localtime gmtime ctime asctime"), *_each("email.utils", "localtime formatdate")]
)
"""Functions that read the clock when they are not given a time."""

VALUES: Mapping[str, str] = _by_name(
    {
        "NXL105": [
            *_each("os", "environ environb name"),
            *_each("sys", "argv orig_argv stdin flags executable platform version version_info path prefix"),
            *_each("time", "timezone tzname daylight altzone"),
        ],
    }
)
"""Values that may not be looked at."""

REPLACEMENTS: Mapping[str, str] = {
    "datetime.date.today": "ctx.now().date()",
    "time.time": "ctx.now().timestamp()",
    "time.time_ns": "ctx.now().timestamp()",
    "time.monotonic": "ctx.now(), and the difference of two",
    "time.perf_counter": "ctx.now(), and the difference of two",
    "random.choice": "ctx.random.choice(…)",
    "random.random": "ctx.random.random()",
    "random.randint": "ctx.random.randint(…)",
    "random.shuffle": "ctx.random.shuffle(…)",
    "random.Random": "ctx.random, or a seed that is an argument of the workflow",
    "numpy.random.default_rng": "a seed: ctx.random.getrandbits(64)",
    "os.urandom": "ctx.random.randbytes(…)",
    "secrets.token_hex": "ctx.random.randbytes(…).hex(); secrets belong in an @activity",
    "asyncio.sleep": "yield ctx.sleep(…)",
    "asyncio.gather": "yield ctx.gather(…)",
    "asyncio.create_task": "ctx.spawn(…)",
    "asyncio.ensure_future": "ctx.spawn(…)",
    "asyncio.TaskGroup": "yield ctx.gather(…)",
    "asyncio.wait": "yield ctx.race(…) or ctx.gather(…)",
    "asyncio.as_completed": "yield ctx.race(…), or ctx.spawn(…) for each",
    "asyncio.wait_for": "async with ctx.timeout(…)",
    "asyncio.timeout": "async with ctx.timeout(…)",
    "asyncio.timeout_at": "async with ctx.timeout(…)",
    "asyncio.shield": "ctx.spawn(…)",
    "asyncio.to_thread": "an @activity; a plain function runs in a thread",
    "asyncio.run": "await the helper itself",
    "asyncio.Event": "ctx.wait_for_event(…), or a variable: strands run one at a time",
    "asyncio.Queue": "a list: strands run one at a time",
    "asyncio.Lock": "nothing: strands run one at a time, and change hands only where they yield",
    "asyncio.Semaphore": "ctx.map(fn, items, concurrency=…)",
    "asyncio.CancelledError": "nexus_sdk.CancelledError",
    "os.getpid": "ctx.instance_id",
    "multiprocessing.Pool": "ctx.map(fn, items, concurrency=…)",
    "concurrent.futures.ThreadPoolExecutor": "ctx.map(fn, items, concurrency=…)",
    "threading.Lock": "nothing: strands run one at a time, and change hands only where they yield",
}
"""What to write instead, where the rule's own answer can be more precise."""

# --- containers -------------------------------------------------------------------------------------------------------

_LIST = frozenset(_words("append clear extend insert pop remove reverse sort"))
_SET = frozenset(_words("add clear difference_update discard intersection_update pop remove update"))
_DICT = frozenset(_words("clear pop popitem setdefault update"))

MUTATORS: Mapping[str, frozenset[str]] = {
    "builtins.list()": _LIST,
    "builtins.set()": _SET,
    "builtins.dict()": _DICT,
    "builtins.bytearray()": _LIST,
    "collections.defaultdict()": _DICT,
    "collections.OrderedDict()": _DICT | {"move_to_end"},
    "collections.Counter()": _DICT | {"subtract"},
    "collections.deque()": _LIST | {"appendleft", "extendleft", "popleft", "rotate"},
    "queue.Queue()": frozenset({"put", "get", "put_nowait", "get_nowait"}),
    "random.Random()": frozenset(
        _words("random randint choice choices sample shuffle uniform randrange getrandbits gauss randbytes")
    ),
}
"""Methods that change an object, by its class."""

SAME_CLASS: Mapping[str, str] = {
    "typing.Set": "builtins.set",
    "typing.AbstractSet": "builtins.set",
    "typing.MutableSet": "builtins.set",
    "typing.FrozenSet": "builtins.set",
    "builtins.frozenset": "builtins.set",
    "collections.abc.Set": "builtins.set",
    "collections.abc.MutableSet": "builtins.set",
    "typing.List": "builtins.list",
    "typing.Dict": "builtins.dict",
    "typing.DefaultDict": "collections.defaultdict",
    "typing.Deque": "collections.deque",
    "typing.Counter": "collections.Counter",
    "pathlib.PosixPath": "pathlib.Path",
    "pathlib.WindowsPath": "pathlib.Path",
}

SET_TO_SET = frozenset({"union", "intersection", "difference", "symmetric_difference", "copy"})
"""Methods of a set that give a set."""

TAKES_ORDER = frozenset(
    [
        *_each("builtins", "list tuple iter enumerate zip map filter next reversed dict"),
        "itertools.chain",
        "itertools.product",
    ]
)
"""What hands on the order of what it is given."""

IGNORES_ORDER = frozenset(_each("builtins", "sorted len sum min max any all set frozenset"))
"""What gives the same for any order of what it is given."""

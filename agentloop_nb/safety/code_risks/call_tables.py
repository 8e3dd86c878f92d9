"""Which calls touch what. Dotted names as `Values.dotted` gives them, `()` where something was called."""

from __future__ import annotations

import re

from agentloop_nb.safety.code_risks.words import words

NETWORK = re.compile(
    r"(requests|httpx2?|urllib3|urllib\.request|aiohttp|http\.client|http\.server|socketserver|ftplib|smtplib|imaplib|"
    r"poplib|nntplib|telnetlib|xmlrpc|websockets?|paramiko|fabric|boto3?|botocore|pycurl|primp|ddgs|duckduckgo_search|"
    r"trafilatura\.fetch\w*|feedparser|yfinance|wikipedia|openai|anthropic|huggingface_hub|kaggle|gdown|wget|selenium|"
    r"playwright|gspread|tweepy|slack_sdk|telegram|twilio|sendgrid|pymongo|psycopg2?|pymysql|redis|asyncpg|dns|scapy|"
    r"google\.cloud|azure|webbrowser|asyncio\.open_connection|asyncio\.start_server|nltk\.download|"
    r"sklearn\.datasets\.fetch_\w+|seaborn\.load_dataset|datasets\.load_dataset|torch\.hub|torchvision\.datasets)(\W|$)"
)
SOCKET = re.compile(
    r"(socket|ssl)\.(socket|create_connection|create_server|wrap_socket|getaddrinfo|gethostby\w+|SSL\w*)\b"
)
SENDING = re.compile(
    r".*\.(post|put|patch|delete|send|sendall|sendto|sendmail|send_message|upload\w*|storbinary|storlines|put_object|"
    r"publish|write_message|execute|request|urlretrieve|sendfile|to_gbq|push_to_hub)$"
)
SHELL = re.compile(
    r"os\.(system|popen\w*|exec[lv]\w*|spawn\w+|posix_spawnp?|startfile)$|subprocess\.\w+$|pty\.spawn$|commands\.\w+$|"
    r"asyncio\.create_subprocess_(exec|shell)$|pexpect\.\w+$|(sh|plumbum)\.\w+|.*\.(run_)?cmd_shell$|"
    r"get_ipython\(\)\.(system|getoutput|getoutput_raw)$"
)
NOT_SHELL = re.compile(r"subprocess\.(PIPE|DEVNULL|STDOUT|\w*Error|TimeoutExpired|CompletedProcess)$")
DELETES = re.compile(
    r"os\.(remove|unlink|rmdir|removedirs|truncate)$|shutil\.rmtree$|send2trash\b.*|.*\.(unlink|rmdir|rmtree|delete_file)$"
)
SQL_DELETES = re.compile(r"\b(drop|truncate)\s+table|\bdelete\s+from", re.IGNORECASE)
MOVES = re.compile(r"shutil\.move$|os\.(rename|renames|replace)$|.*Path\(\)\.(rename|replace)$")
WRITES = re.compile(
    r"os\.(mkdir|makedirs|symlink|link|mkfifo|chmod|chown|truncate)$|shutil\.(copy\w*|make_archive|unpack_archive)$|"
    r".*\.(write_text|write_bytes|to_csv|to_excel|to_parquet|to_json|to_pickle|to_feather|to_hdf|to_html|to_latex|"
    r"to_markdown|to_stata|savefig|save|write_html|write_image|touch|symlink_to|hardlink_to|mkdir|extractall|imsave|"
    r"savetxt|savez|savez_compressed|imwrite|write_parquet|write_csv|to_netcdf|to_file)$"
)
READS = re.compile(
    r".*\.(read_text|read_bytes|read_\w+|load|loadtxt|genfromtxt|imread|listdir|scandir|walk|iterdir|glob|rglob|from_file|"
    r"open_dataset|linecache\.getlines?)$|linecache\.\w+|fileinput\.input|glob\.\w+"
)
OPENS = frozenset({"open", "io.open", "builtins.open", "os.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open"})
MAKES_TEXT = re.compile(
    r"print$|str$|len$|repr$|re\.\w+|urllib\.parse\..*|.*\.(append|add|format|join|split|replace|startswith)$"
)
"""Calls that may be given an address without going there."""
SHOWS = re.compile(
    r"(.*\.)?(HTML|Javascript|JavaScript|Markdown|SVG|Image|IFrame|Audio|Video|display_html|display_markdown)$"
)
"""Calls whose argument the browser opens."""
ENVIRONMENT = re.compile(
    r"os\.(environb?|getenvb?|putenv|unsetenv)\b.*|dotenv\.\w+|keyring\.\w+|google\.colab\.userdata\b.*|netrc\.\w+|decouple\.\w+"
)
SECRET_FILE = re.compile(
    r"(^|/)(\.env(\.\w+)?|\.netrc|\.pypirc|\.npmrc|\.git-credentials|id_(rsa|dsa|ecdsa|ed25519)\b.*|credentials(\.json)?|"
    r"kaggle\.json|hosts\.yml|token)$|/\.(ssh|aws|gnupg|azure|kube|docker)(/|$)|/proc/[^/]+/environ|^/etc/(shadow|passwd)"
)
KERNEL = re.compile(
    r"(sys\.)?exit$|quit$|os\.(_exit|abort|kill|killpg)$|signal\.\w+$|sys\.(settrace|setprofile|exit|excepthook)$|"
    r"threading\.(settrace|setprofile)$|_thread\.interrupt_main$|faulthandler\.\w+$|resource\.setrlimit$|ctypes\b.*|"
    r"get_ipython\(\)\.(?!user_ns|system|getoutput|run_line_magic|run_cell_magic|magic|display_formatter)\w+.*|psutil\.Process\(\)\.\w+$|"
    r"IPython\.(core|Application|kernel).*|ipykernel\b.*|importlib\.reload$|gc\.(disable|get_objects)$|atexit\.\w+$"
)
PAST_PYTHON = re.compile(
    r"(_posixsubprocess|_ctypes|_?cffi(_backend)?|_xxsubinterpreters|_interpreters|_testcapi|multiprocessing\.util\.spawnv_passfds|.*\.spawnv_passfds|"
    r"readline\.(write|append)_history_file|signal\.pidfd_send_signal|(os|posix)\.(mkfifo|mknod)|zmq|os\.environb?\._data)(\.|$)"
)
"""What starts processes or native code, writes, sends or signals without Python telling of it."""
BUILT = frozenset({"exec", "eval", "compile", "builtins.exec", "builtins.eval", "builtins.compile", "runpy.run_path"})
UNPICKLES = re.compile(r"(pickle|cloudpickle|dill|joblib|marshal|shelve|jsonpickle)\.(loads?|Unpickler|open|decode)$")
INSTALLS = re.compile(r"(pip|ensurepip|micropip|piplite|conda)\b.*\.?(main|install|bootstrap|run_command)$|pip\.main$")

URL = re.compile(r"\b([a-z][a-z0-9+.-]{1,12})://([^\s/\"'<>()\[\]{}\\?#,;`]+|\[[0-9a-f:.]+\])", re.IGNORECASE)
HOST = re.compile(
    r"(?<![\w.@/-])((?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)+[a-z][a-z0-9-]{1,24}|\d{1,3}(?:\.\d{1,3}){3})(?![\w-])",
    re.IGNORECASE,
)
EXTENSIONS = words(
    "py ipynb csv tsv txt md json jsonl yaml yml toml xml html htm pdf png jpg jpeg gif svg xlsx xls parquet "
    "feather pkl pickle npy npz h5 hdf5 db sqlite zip gz tar bz2 xz log cfg ini conf sh bat r rmd tex bib css js "
    "ts lock whl so dll exe bin dat out err tmp bak cpp c h hpp java rs go rb php sql geojson shp tif tiff mp4 "
    "mp3 wav doc docx ppt pptx index columns values shape dtype dtypes head tail mean sum std min max count "
    "groupby apply map plot loc iloc"
)
"""What ends a dotted word that is a file or an attribute, not a host."""

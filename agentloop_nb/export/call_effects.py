"""Words that tell what a call does to the objects it is given, where their meaning is common knowledge."""

from __future__ import annotations

import builtins


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PURE_FUNCTIONS = frozenset(dir(builtins)) - _words("next setattr delattr exec eval") | {"display"}
"""Functions that leave their arguments as they are."""

PURE_METHODS = _words("""
    abs agg aggregate all any apply applymap argmax argmin argsort array_equal astype assign autocorr bar barh bfill
    boxplot capitalize casefold center clip combine copy corr count cov cummax cumsum describe diff dot drop_duplicates
    dropna duplicated encode endswith eq equals ewm exists expanding explode ffill fillna find first format get
    get_group groupby gt head hist idxmax idxmin index info is_dir is_file isalpha isdigit isin isna isnull items
    iterrows itertuples join keys kurt last lower lstrip lt map mask max mean median melt memory_usage merge min mode
    nlargest notna notnull nsmallest nunique pct_change pie pivot pivot_table pipe plot predict predict_proba prod
    quantile query rank read_bytes read_text rename replace resample reset_index reshape rfind rolling round rsplit
    rstrip sample savefig scatter score select_dtypes sem shift show skew sort_index sort_values split splitlines
    squeeze startswith stat std stem str strftime strip sum swapaxes tail title to_csv to_dict to_excel to_frame to_html
    to_json to_list to_markdown to_numpy to_parquet to_string tolist total_seconds transform transpose unique unstack
    upper value_counts values var view where xs zfill
""")
"""Methods that leave their object as it is (unless they are told `inplace`)."""

CHANGING_FUNCTIONS = _words("shuffle heappush heappop heapify insort copyto put putmask place fill_diagonal")
"""Functions of modules that change their arguments."""

CONFIGURING = _words("""
    seed set_option set_options reset_option use rc rcdefaults set_theme set_style set_context set_palette update
    filterwarnings simplefilter set_printoptions seterr setlocale chdir append insert extend basicConfig set_seed
    manual_seed setrecursionlimit setdefaulttimeout tzset set_start_method set_matplotlib_formats setenv putenv
    register enable disable set
""")
"""Functions of modules that change how the module works from then on."""

/* Prometheus text (format 0.0.4) and histograms; see metrics.h. */
#include "proto/metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

const struct metrics_bounds metrics_turns = {
    11, {MS / 10, MS / 4, MS, 5 * MS / 2, 5 * MS, 10 * MS, 25 * MS, 50 * MS,
         100 * MS, 250 * MS, 1000 * MS}};
const struct metrics_bounds metrics_requests = {
    10, {MS, 5 * MS, 10 * MS, 25 * MS, 100 * MS, 250 * MS, 1000 * MS,
         5000 * MS, 15000 * MS, 60000 * MS}};

/* help: quotes stand for themselves there. */
static void escaped(struct buf *b, const char *text, bool help)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            buf_text(b, "\\n");
            continue;
        }
        if (*text == '\\' || (*text == '"' && !help))
            buf_byte(b, '\\');
        buf_byte(b, (uint8_t)*text);
    }
}

void metrics_family(struct buf *b, const char *name, enum metrics_type type,
                    const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    buf_printf(b, "# HELP %s ", name);
    escaped(b, help, true);
    buf_printf(b, "\n# TYPE %s %s\n", name, types[type]);
}

/* The sample up to its value. le: one more label, or NULL. */
static void begin(struct buf *b, const char *name, const char *suffix,
                  const struct metrics_label *labels, size_t n,
                  const char *le)
{
    const char *before = "{";

    buf_text(b, name);
    buf_text(b, suffix);
    for (size_t i = 0; i < n; i++, before = ",") {
        buf_text(b, before);
        buf_text(b, labels[i].name);
        buf_text(b, "=\"");
        escaped(b, labels[i].value, false);
        buf_byte(b, '"');
    }
    if (le != NULL) {
        buf_printf(b, "%sle=\"%s\"", before, le);
        n++;
    }
    buf_text(b, n > 0 ? "} " : " ");
}

static void end(struct buf *b, uint64_t value)
{
    buf_printf(b, "%llu\n", (unsigned long long)value);
}

static void end_ns(struct buf *b, uint64_t ns)
{
    buf_printf(b, "%llu.%09llu\n", (unsigned long long)(ns / 1000000000),
               (unsigned long long)(ns % 1000000000));
}

void metrics_sample(struct buf *b, const char *name,
                    const struct metrics_label *labels, size_t n,
                    uint64_t value)
{
    begin(b, name, "", labels, n, NULL);
    end(b, value);
}

void metrics_sample_ns(struct buf *b, const char *name,
                       const struct metrics_label *labels, size_t n,
                       uint64_t ns)
{
    begin(b, name, "", labels, n, NULL);
    end_ns(b, ns);
}

void metrics_sample_ms(struct buf *b, const char *name,
                       const struct metrics_label *labels, size_t n,
                       uint64_t ms)
{
    begin(b, name, "", labels, n, NULL);
    buf_printf(b, "%llu.%03llu\n", (unsigned long long)(ms / 1000),
               (unsigned long long)(ms % 1000));
}

void metrics_sample_q16(struct buf *b, const char *name,
                        const struct metrics_label *labels, size_t n,
                        int64_t q16)
{
    uint64_t size = q16 < 0 ? -(uint64_t)q16 : (uint64_t)q16;

    begin(b, name, "", labels, n, NULL);
    buf_printf(b, "%s%llu.%06llu\n", q16 < 0 ? "-" : "",
               (unsigned long long)(size >> 16),
               (unsigned long long)((size & 0xffff) * 1000000 >> 16));
}

void metrics_counter(struct buf *b, const char *name, const char *help,
                     uint64_t value)
{
    metrics_family(b, name, METRICS_COUNTER, help);
    metrics_sample(b, name, NULL, 0, value);
}

void metrics_gauge(struct buf *b, const char *name, const char *help,
                   uint64_t value)
{
    metrics_family(b, name, METRICS_GAUGE, help);
    metrics_sample(b, name, NULL, 0, value);
}

/* --- histograms --------------------------------------------------------- */

void metrics_observe(struct metrics_histogram *h,
                     const struct metrics_bounds *bounds, uint64_t ns)
{
    unsigned i = 0;

    while (i < bounds->n && ns > bounds->ns[i])
        i++;
    h->counts[i]++;
    h->sum_ns += ns;
}

uint64_t metrics_count(const struct metrics_histogram *h)
{
    uint64_t n = 0;

    for (unsigned i = 0; i <= METRICS_BOUNDS_MAX; i++)
        n += h->counts[i];
    return n;
}

/* 2500000 ns: "0.0025". */
static void bound_text(uint64_t ns, char out[32])
{
    size_t n;

    snprintf(out, 32, "%llu.%09llu", (unsigned long long)(ns / 1000000000),
             (unsigned long long)(ns % 1000000000));
    n = strlen(out);
    while (out[n - 1] == '0')
        out[--n] = '\0';
    if (out[n - 1] == '.')
        out[n - 1] = '\0';
}

void metrics_histogram(struct buf *b, const char *name,
                       const struct metrics_label *labels, size_t n,
                       const struct metrics_bounds *bounds,
                       const struct metrics_histogram *h)
{
    uint64_t sum = 0;
    char le[32];

    for (unsigned i = 0; i < bounds->n; i++) {
        bound_text(bounds->ns[i], le);
        sum += h->counts[i];
        begin(b, name, "_bucket", labels, n, le);
        end(b, sum);
    }
    sum += h->counts[bounds->n];
    begin(b, name, "_bucket", labels, n, "+Inf");
    end(b, sum);
    begin(b, name, "_sum", labels, n, NULL);
    end_ns(b, h->sum_ns);
    begin(b, name, "_count", labels, n, NULL);
    end(b, sum);
}

/* --- process ------------------------------------------------------------ */

static uint64_t resident_bytes(void)
{
    unsigned long long total, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu %llu", &total, &pages) != 2)
        pages = 0;
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Since the boot, in ms; 0: not known. Field 22, of which the second one is
 * the program's name in brackets. */
static uint64_t started_ms(void)
{
    unsigned long long ticks = 0;
    char text[1024], *at;
    FILE *f = fopen("/proc/self/stat", "re");
    size_t n;

    if (f == NULL)
        return 0;
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    at = strrchr(text, ')');
    if (at == NULL ||
        sscanf(at + 1, " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                       "%*s %*s %*s %*s %*s %*s %*s %llu", &ticks) != 1)
        return 0;
    return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* Reckoned once: a number that moves by a millisecond looks like a restart,
 * and so does a clock that is set. */
static uint64_t start_time_ms(void)
{
    static uint64_t start_ms;

    if (start_ms == 0) {
        uint64_t up = clock_ms(CLOCK_BOOTTIME), began = started_ms();
        uint64_t now = clock_ms(CLOCK_REALTIME);

        start_ms = began <= up && now > up - began ? now - (up - began) : now;
    }
    return start_ms;
}

void metrics_process(struct buf *b)
{
    struct rusage u;
    uint64_t us = 0;

    if (getrusage(RUSAGE_SELF, &u) == 0)
        us = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
             (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    metrics_family(b, "process_cpu_seconds_total", METRICS_COUNTER,
                   "time of processors that it used");
    metrics_sample_ns(b, "process_cpu_seconds_total", NULL, 0, us * 1000);
    metrics_gauge(b, "process_resident_memory_bytes", "resident memory",
                  resident_bytes());
    metrics_family(b, "process_start_time_seconds", METRICS_GAUGE,
                   "when it began, since 1970");
    metrics_sample_ms(b, "process_start_time_seconds", NULL, 0,
                      start_time_ms());
}

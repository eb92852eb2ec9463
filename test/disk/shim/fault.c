/*
 * A disk with faults, put between a process and its C library (LD_PRELOAD). Only files below FAULT_DIR
 * are touched, and only the calls that LevelDB makes.
 *
 *   FAULT_FAIL_SYNC=n    the n-th fdatasync or fsync of a log fails with EIO, once; later ones succeed
 *   FAULT_FAIL_WRITE=n   the n-th write to a log fails with EIO, once
 *   FAULT_SLOW_MS=t      syncs of tables take t ms longer, logs of every 50th batch, too
 *   FAULT_SLOW_LOG_MS=t  every sync of a log takes t ms longer
 *   FAULT_JOURNAL=path   what a power cut may take back is noted in this file, one line each:
 *       S size name      the file has this size on the disk
 *       C name           made
 *       R from to kept   renamed; what was at `to` has another name now, or -
 *       U name kept      removed; kept under another name
 *   FAULT_KEEP=folder    where removed files are kept, on the same filesystem
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *directory;
static const char *keep;
static int journal = -1;
static long fail_sync, fail_write, slow_ms, slow_log_ms;
static long syncs, writes, kept;

static long number(const char *name) {
  const char *text = getenv(name);
  return text ? atol(text) : 0;
}

__attribute__((constructor)) static void begin(void) {
  directory = getenv("FAULT_DIR");
  keep = getenv("FAULT_KEEP");
  fail_sync = number("FAULT_FAIL_SYNC");
  fail_write = number("FAULT_FAIL_WRITE");
  slow_ms = number("FAULT_SLOW_MS");
  slow_log_ms = number("FAULT_SLOW_LOG_MS");
  const char *path = getenv("FAULT_JOURNAL");
  if (path) journal = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int is_ours(const char *path) {
  return directory && path && strncmp(path, directory, strlen(directory)) == 0;
}

static int ends_with(const char *path, const char *end) {
  size_t length = strlen(path), wanted = strlen(end);
  return length >= wanted && strcmp(path + length - wanted, end) == 0;
}

/* The path of a descriptor; empty when it is not ours. */
static void path_of(int descriptor, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  path[length > 0 ? length : 0] = 0;
  if (!is_ours(path)) path[0] = 0;
}

/* One line, whole, through no library that we stand in front of. */
static void note(const char *format, ...) {
  char line[3 * PATH_MAX];
  va_list arguments;
  if (journal < 0) return;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  syscall(SYS_write, journal, line, length);
}

static void wait_ms(long ms) {
  struct timespec time = {ms / 1000, (ms % 1000) * 1000000};
  if (ms > 0) nanosleep(&time, 0);
}

/* Gives a file that is about to go a second name; answers it, or "-". */
static const char *keep_file(const char *path, char *name) {
  snprintf(name, PATH_MAX, "%s/%ld-%ld", keep ? keep : "", (long)getpid(), ++kept);
  return keep && link(path, name) == 0 ? name : "-";
}

typedef int (*sync_call)(int);

static int synced(const char *call, int descriptor) {
  sync_call real = (sync_call)dlsym(RTLD_NEXT, call);
  char path[PATH_MAX];
  path_of(descriptor, path);
  if (!path[0]) return real(descriptor);
  int is_log = ends_with(path, ".log");
  pthread_mutex_lock(&mutex);
  long count = is_log ? ++syncs : 0;
  pthread_mutex_unlock(&mutex);
  if (is_log && count == fail_sync) {
    errno = EIO;
    return -1;
  }
  wait_ms(is_log ? slow_log_ms + (count % 50 ? 0 : slow_ms) : slow_ms);
  struct stat before;
  if (fstat(descriptor, &before) != 0) return -1;
  int result = real(descriptor);
  int error = errno;
  if (result == 0 && S_ISREG(before.st_mode)) {
    note("S %ld %s\n", (long)before.st_size, path);
  } else if (result == 0) {
    note("S 0 %s\n", path);
  }
  errno = error;
  return result;
}

int fdatasync(int descriptor) { return synced("fdatasync", descriptor); }
int fsync(int descriptor) { return synced("fsync", descriptor); }

FILE *fopen64(const char *path, const char *mode) {
  FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen64");
  if (!is_ours(path) || mode[0] == 'r') return real(path, mode);
  pthread_mutex_lock(&mutex);
  FILE *file = real(path, mode);
  if (file) note("C %s\n", path);
  pthread_mutex_unlock(&mutex);
  return file;
}

int fflush_unlocked(FILE *file) {
  int (*real)(FILE *) = dlsym(RTLD_NEXT, "fflush_unlocked");
  char path[PATH_MAX];
  path[0] = 0;
  if (fail_write && file) path_of(fileno(file), path);
  if (path[0] && ends_with(path, ".log")) {
    pthread_mutex_lock(&mutex);
    long count = ++writes;
    pthread_mutex_unlock(&mutex);
    if (count == fail_write) {
      errno = EIO;
      return EOF;
    }
  }
  return real(file);
}

int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
  char name[PATH_MAX];
  if (!is_ours(from)) return real(from, to);
  pthread_mutex_lock(&mutex);
  const char *saved = keep_file(to, name);
  int result = real(from, to);
  int error = errno;
  if (result == 0) note("R %s %s %s\n", from, to, saved);
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}

int unlink(const char *path) {
  int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
  char name[PATH_MAX];
  if (!is_ours(path)) return real(path);
  pthread_mutex_lock(&mutex);
  const char *saved = keep_file(path, name);
  int result = real(path);
  int error = errno;
  if (result == 0) note("U %s %s\n", path, saved);
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}

/* A disk that fails when it is told to: loaded before libc (LD_PRELOAD), it makes writes or syncs of the log's files
   fail for as long as the file named by KINORA_TEST_FAULT exists. That file says which: "write", "sync" (what is
   written is there, but the disk says that it failed), "late" (the same, once, after a while; later ones succeed, and
   so do those of a file that is made longer by zeros, which hold no commit), or
   "short" (half of what is to be written is, and then nothing more). A write to a file that syncs each of them is a
   sync, too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define BLOCK 4096

static int told(const char *what, int fd) {
  const char *order = getenv("KINORA_TEST_FAULT");
  char text[16] = {0}, link[64], path[4096];
  if (!order) return 0;
  int file = open(order, O_RDONLY);
  if (file < 0) return 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0 || strncmp(text, what, strlen(what)) != 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return strstr(path, "/log/") != NULL;
}

static int fail(void) {
  errno = EIO;
  return -1;
}

/* Whether zeros were the last that was written to a descriptor. */
static char zeros[1024];

static void note(int fd, const void *bytes, size_t count) {
  static const char none[64];
  if (fd >= 0 && (size_t)fd < sizeof zeros) zeros[fd] = count >= sizeof none && memcmp(bytes, none, sizeof none) == 0;
}

static int sync_fails(int fd) {
  static int was_late;
  if (told("sync", fd)) return 1;
  if (fd >= 0 && (size_t)fd < sizeof zeros && zeros[fd]) return 0;
  if (!told("late", fd) || __atomic_exchange_n(&was_late, 1, __ATOMIC_SEQ_CST)) return 0;
  usleep(300 * 1000);
  return 1;
}

static int syncs_writes(int fd) { return (fcntl(fd, F_GETFL) & O_DSYNC) != 0; }

ssize_t write(int fd, const void *bytes, size_t count) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "write");
  if (told("write", fd)) return fail();
  if (told("short", fd)) return count > 64 ? real(fd, bytes, count / 2) : fail();
  return real(fd, bytes, count);
}

typedef ssize_t (*writer)(int, const void *, size_t, off_t);

static ssize_t write_at(writer real, int fd, const void *bytes, size_t count, off_t at) {
  if (told("write", fd)) return fail();
  if (told("short", fd)) return count > BLOCK ? real(fd, bytes, count / 2 / BLOCK * BLOCK, at) : fail();
  ssize_t written = real(fd, bytes, count, at);
  note(fd, bytes, count);
  return syncs_writes(fd) && sync_fails(fd) ? fail() : written;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
  static writer real;
  if (!real) real = (writer)dlsym(RTLD_NEXT, "pwrite");
  return write_at(real, fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
  static writer real;
  if (!real) real = (writer)dlsym(RTLD_NEXT, "pwrite64");
  return write_at(real, fd, bytes, count, at);
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fsync");
  return sync_fails(fd) ? fail() : real(fd);
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
  return sync_fails(fd) ? fail() : real(fd);
}

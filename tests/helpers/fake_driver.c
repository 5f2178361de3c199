/* A CUDA driver without a GPU: device memory is host memory, and kernels are run by fake_gpu.py.

   What a real one would refuse or ruin is an error here: addresses outside of allocations, memory of another device,
   streams and contexts that it never gave out, writes beyond an allocation. New memory is full of NaN. Work is done as
   late as its stream allows, so that what is not waited for is not there. What is called is noted, for tests that look.
   FAKE_DEVICES says how many GPUs there are. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Result;
enum { OK, INVALID_VALUE, OUT_OF_MEMORY, NOT_INITIALIZED, NO_DEVICE = 100, INVALID_DEVICE, INVALID_CONTEXT = 201,
       INVALID_HANDLE = 400, NOT_FOUND = 500, LAUNCH_FAILED = 719, NOT_SUPPORTED = 801 };
enum { DEVICES = 8, CHILDREN = 1 << 16, EDGE = 256 };

typedef struct { int device, retained; } Context;
typedef struct { int device; unsigned flags; int alive; } Stream;
typedef struct { char name[2048]; } Kernel;
typedef struct { char *start; size_t size; int device, freed; } Block;

static Context contexts[DEVICES];
static _Thread_local Context *stack[64];
static _Thread_local int depth;
static Block blocks[CHILDREN];
static int n_blocks, ready, launches;
static Stream *streams[CHILDREN];
static int n_streams;

/* --- for the tests ------------------------------------------------------------------------------------------------ */

static char *notes;
static size_t n_notes, room;

static void note(const char *format, ...) {
  char line[4096];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line - 1, format, args);
  va_end(args);
  n = n < (int)sizeof line - 1 ? n : (int)sizeof line - 2;
  line[n++] = '\n';
  if (n_notes + n + 1 > room) notes = realloc(notes, room = 2 * (n_notes + n + 1));
  memcpy(notes + n_notes, line, n);
  notes[n_notes += n] = 0;
}

const char *fake_notes(void) { return notes ? notes : ""; }
void fake_forget(void) { n_notes = 0; if (notes) *notes = 0; }

/* --- what is where ------------------------------------------------------------------------------------------------ */

static int devices(void) {
  const char *n = getenv("FAKE_DEVICES");
  return n ? atoi(n) : 1;
}

static Context *current(void) { return depth ? stack[depth - 1] : NULL; }

/* The allocation that holds n bytes at p, and was there after so many launches */
static Block *block_at(const void *p, size_t n, int launch) {
  for (int k = 0; k < n_blocks; k++)
    if ((char *)p >= blocks[k].start && (char *)p + n <= blocks[k].start + blocks[k].size && blocks[k].freed > launch)
      return &blocks[k];
  return NULL;
}
static Block *block_of(const void *p, size_t n) { return block_at(p, n, INT_MAX - 1); }

static int intact(Block *b) {
  for (int k = 0; k < EDGE; k++)
    if (b->start[-EDGE + k] != 0x5a || b->start[b->size + k] != 0x5a) return 0;
  return 1;
}

int fake_device_of(const void *p) {
  Block *b = block_of(p, 1);
  return b ? b->device : -1;
}

int fake_intact(void) {
  for (int k = 0; k < n_blocks; k++)
    if (!intact(&blocks[k])) return 0;
  return 1;
}

/* --- work that waits ---------------------------------------------------------------------------------------------- */

/* A launch (its number, from ``prepare``) or a copy. Queues are those of non-blocking streams, and one per device for
   all else, which runs in the order of the calls. */
typedef struct { void *queue; int device, launch; void *to, *from, *staged; size_t size; } Task;

static Task tasks[CHILDREN];
static int n_tasks, running;
static Result broken;  /* an error of a kernel, which all later calls return */
static int (*prepare)(const char *, int, const unsigned *, const unsigned *, void *, void **);
static int (*execute)(int);

int fake_broken(void) { int b = broken; broken = OK; return b; }
void fake_kernels(void *a, void *b) { prepare = a, execute = b; }

static void *queue_of(Stream *s) { return (uintptr_t)s > 2 && s->flags & 1 ? (void *)s : (void *)current(); }

static void put(Task task) {
  if (n_tasks == CHILDREN) abort();
  tasks[n_tasks++] = task;
}

/* For a running kernel: the allocation around an address */
int fake_range(const void *p, char **low, char **high) {
  Block *b = block_at(p, 1, running);
  if (!b || b->device != current()->device) return 0;
  *low = b->start, *high = b->start + b->size;
  return 1;
}

static void run(Task task) {
  Context *before = current();
  stack[depth++] = &contexts[task.device];
  running = task.launch;
  if (task.launch < 0) memmove(task.to, task.staged ? task.staged : task.from, task.size);
  else if (execute(task.launch)) broken = LAUNCH_FAILED;
  free(task.staged);
  depth--;
  if (before != current()) abort();
}

/* Run what is in a queue */
static Result finish(void *queue) {
  int kept = 0, n = n_tasks;
  Task *due = malloc(n * sizeof(Task) + 1);
  int n_due = 0;
  for (int k = 0; k < n; k++) {
    if (tasks[k].queue == queue) due[n_due++] = tasks[k];
    else tasks[kept++] = tasks[k];
  }
  n_tasks = kept;
  for (int k = 0; k < n_due; k++) run(due[k]);
  free(due);
  for (int k = n_blocks - 1; k >= 0 && !n_tasks; k--)
    if (blocks[k].freed != INT_MAX) {
      if (!intact(&blocks[k])) broken = LAUNCH_FAILED;
      free(blocks[k].start - EDGE);
      blocks[k] = blocks[--n_blocks];
    }
  return broken;
}

/* Run all that is to do on a device, the latest queue first: the others have no claim to go before it */
static Result finish_all(int device) {
  for (int k = n_tasks - 1; k >= 0; k = k < n_tasks ? k - 1 : n_tasks - 1)
    if (tasks[k].device == device) finish(tasks[k].queue), k = n_tasks;
  return broken;
}

static int is_stream(void *h) {
  for (int k = 0; k < n_streams; k++)
    if (streams[k] == h) return streams[k]->alive && current() && streams[k]->device == current()->device;
  return (uintptr_t)h <= 2;
}

/* --- the driver, its devices and contexts ------------------------------------------------------------------------- */

#define REQUIRE(condition, error) \
  do { if (!(condition)) { note("%s: error " #error, __func__); return error; } } while (0)
#define STARTED REQUIRE(ready, NOT_INITIALIZED); REQUIRE(!broken, LAUNCH_FAILED)
#define IN_CONTEXT REQUIRE(current(), INVALID_CONTEXT); REQUIRE(!broken, LAUNCH_FAILED)

Result cuInit(unsigned flags) {
  note("cuInit");
  if (!devices()) return NO_DEVICE;
  for (int k = 0; k < DEVICES; k++) contexts[k].device = k;
  ready = 1;
  return OK;
}
Result cuDriverGetVersion(int *v) { *v = 13000; return OK; }
Result cuGetErrorName(Result r, const char **s) { *s = "CUDA_ERROR_OF_THE_FAKE_DRIVER"; return OK; }
Result cuGetErrorString(Result r, const char **s) { *s = "an error of the fake driver"; return OK; }
Result cuDeviceGetCount(int *n) { STARTED; *n = devices(); return OK; }
Result cuDeviceGet(int *d, int k) { STARTED; REQUIRE(k >= 0 && k < devices(), INVALID_DEVICE); *d = k; return OK; }
Result cuDeviceGetName(char *s, int n, int d) { STARTED; snprintf(s, n, "Fake GPU %d", d); return OK; }
Result cuDeviceGetUuid(unsigned char *u, int d) { STARTED; memset(u, 0x11 + d, 16); return OK; }
Result cuDeviceTotalMem(size_t *n, int d) { STARTED; *n = (size_t)1 << 34; return OK; }
Result cuDeviceCanAccessPeer(int *can, int a, int b) { STARTED; *can = 0; return OK; }
Result cuDeviceGetAttribute(int *v, int attribute, int d) {
  STARTED;
  switch (attribute) {
  case 1: case 2: case 3: *v = 1024; break;  /* threads per block */
  case 4: *v = 64; break;
  case 5: *v = 0x7fffffff; break;            /* blocks per grid */
  case 6: case 7: *v = 65535; break;
  case 8: *v = 49152; break;                 /* shared memory per block */
  case 10: *v = 32; break;
  case 12: *v = 65536; break;                /* registers per block */
  case 16: *v = 132; break;
  case 33: case 34: case 50: *v = d; break;  /* PCI bus, device, domain */
  case 41: *v = 1; break;                    /* unified addressing */
  case 75: *v = 9; break;                    /* compute capability 9.0 */
  default: *v = 0;
  }
  return OK;
}

Result cuDevicePrimaryCtxRetain(Context **c, int d) {
  STARTED;
  REQUIRE(d >= 0 && d < devices(), INVALID_DEVICE);
  contexts[d].retained++;
  *c = &contexts[d];
  return OK;
}
Result cuDevicePrimaryCtxRelease(int d) { contexts[d].retained--; return OK; }
Result cuDevicePrimaryCtxReset(int d) { return OK; }
Result cuDevicePrimaryCtxGetState(int d, unsigned *flags, int *active) {
  *flags = 0, *active = contexts[d].retained > 0;
  return OK;
}
Result cuCtxGetCurrent(Context **c) { STARTED; *c = current(); return OK; }
Result cuCtxSetCurrent(Context *c) {
  STARTED;
  if (depth) depth--;
  if (c) stack[depth++] = c;
  return OK;
}
Result cuCtxPushCurrent(Context *c) { STARTED; REQUIRE(depth < 64, INVALID_VALUE); stack[depth++] = c; return OK; }
Result cuCtxPopCurrent(Context **c) { IN_CONTEXT; *c = stack[--depth]; return OK; }
Result cuCtxGetDevice(int *d) { IN_CONTEXT; *d = current()->device; return OK; }
Result cuCtxGetDevice_v2(int *d, Context *c) {
  REQUIRE(c || current(), INVALID_CONTEXT);
  *d = (c ? c : current())->device;
  return OK;
}
Result cuCtxGetId(Context *c, unsigned long long *id) { *id = (c ? c : current())->device + 1; return OK; }
Result cuCtxGetFlags(unsigned *f) { *f = 0; return OK; }
Result cuCtxGetStreamPriorityRange(int *a, int *b) { *a = *b = 0; return OK; }
Result cuCtxSynchronize(void) { IN_CONTEXT; note("cuCtxSynchronize"); return finish_all(current()->device); }

/* --- memory ------------------------------------------------------------------------------------------------------- */

Result cuMemGetInfo(size_t *free, size_t *total) { *free = *total = (size_t)1 << 34; return OK; }
Result cuMemAlloc(void **p, size_t n) {
  IN_CONTEXT;
  REQUIRE(n, INVALID_VALUE);
  REQUIRE(n_blocks < CHILDREN, OUT_OF_MEMORY);
  char *memory = aligned_alloc(EDGE, (n + 3 * EDGE - 1) / EDGE * EDGE);
  REQUIRE(memory, OUT_OF_MEMORY);
  memset(memory, 0x5a, n + 2 * EDGE);
  memset(*p = memory + EDGE, 0xff, n);
  blocks[n_blocks++] = (Block){memory + EDGE, n, current()->device, INT_MAX};
  note("cuMemAlloc %zu", n);
  return OK;
}
/* Kernels that wait may still use the memory */
Result cuMemFree(void *p) {
  note("cuMemFree");
  Block *b = block_of(p, 1);
  if (!p) return OK;
  REQUIRE(b && b->start == p, INVALID_VALUE);
  b->freed = launches;
  return OK;
}
Result cuMemGetAddressRange(void **start, size_t *n, void *p) {
  Block *b = block_of(p, 1);
  REQUIRE(b, NOT_FOUND);
  *start = b->start, *n = b->size;
  return OK;
}
Result cuPointerGetAttribute(void *out, int attribute, void *p) {
  Block *b = block_of(p, 1);
  note("cuPointerGetAttribute %d", attribute);
  IN_CONTEXT;
  REQUIRE(b, INVALID_VALUE);
  if (attribute == 1) *(Context **)out = &contexts[b->device];
  else if (attribute == 2) *(unsigned *)out = 2;  /* device memory */
  else if (attribute == 3) *(void **)out = p;
  else if (attribute == 9) *(int *)out = b->device;
  else if (attribute == 8) *(unsigned *)out = 0;  /* not managed */
  else REQUIRE(0, NOT_SUPPORTED);
  return OK;
}

/* A copy; ``to_device`` and ``from_device`` are whether these must be device memory. Host memory is read at once, and
   written when it is waited for. */
static Result copy(const char *name, void *to, int to_device, void *from, int from_device, size_t n, Stream *s) {
  note("%s %zu", name, n);
  IN_CONTEXT;
  REQUIRE(is_stream(s), INVALID_HANDLE);
  REQUIRE(!to_device || block_of(to, n), INVALID_VALUE);
  REQUIRE(!from_device || block_of(from, n), INVALID_VALUE);
  Task task = {queue_of(s), current()->device, -1, to, from, NULL, n};
  if (!from_device) memcpy(task.staged = malloc(n), from, n);
  put(task);
  return OK;
}
Result cuMemcpyHtoD(void *to, void *from, size_t n) { return copy(__func__, to, 1, from, 0, n, 0); }
Result cuMemcpyDtoD(void *to, void *from, size_t n) { return copy(__func__, to, 1, from, 1, n, 0); }
Result cuMemcpyDtoH(void *to, void *from, size_t n) {
  Result r = copy(__func__, to, 0, from, 1, n, 0);
  return r ? r : finish(current());
}
Result cuMemcpyHtoDAsync(void *to, void *from, size_t n, void *s) { return copy(__func__, to, 1, from, 0, n, s); }
Result cuMemcpyDtoHAsync(void *to, void *from, size_t n, void *s) { return copy(__func__, to, 0, from, 1, n, s); }
Result cuMemcpyDtoDAsync(void *to, void *from, size_t n, void *s) { return copy(__func__, to, 1, from, 1, n, s); }
Result cuMemsetD8Async(void *p, unsigned char v, size_t n, void *s) {
  void *values = memset(malloc(n), v, n);
  Result r = copy(__func__, p, 1, values, 0, n, s);
  free(values);
  return r;
}
Result cuMemsetD8(void *p, unsigned char v, size_t n) { return cuMemsetD8Async(p, v, n, 0); }

/* --- streams and events ------------------------------------------------------------------------------------------- */

#define ON_STREAM IN_CONTEXT; REQUIRE(is_stream(s), INVALID_HANDLE)

Result cuStreamCreate(Stream **s, unsigned flags) {
  IN_CONTEXT;
  REQUIRE(n_streams < CHILDREN, OUT_OF_MEMORY);
  *s = streams[n_streams++] = malloc(sizeof(Stream));
  **s = (Stream){current()->device, flags, 1};
  note("%s %p", __func__, (void *)*s);
  return OK;
}
Result cuStreamCreateWithPriority(Stream **s, unsigned flags, int priority) { return cuStreamCreate(s, flags); }
Result cuStreamSynchronize(Stream *s) { ON_STREAM; note("%s %p", __func__, (void *)s); return finish(queue_of(s)); }
Result cuStreamDestroy(Stream *s) { ON_STREAM; finish(queue_of(s)); s->alive = 0; return OK; }
Result cuStreamQuery(Stream *s) { ON_STREAM; return finish(queue_of(s)); }
Result cuStreamGetFlags(Stream *s, unsigned *f) { ON_STREAM; *f = (uintptr_t)s > 2 ? s->flags : 0; return OK; }
Result cuStreamGetPriority(Stream *s, int *p) { ON_STREAM; *p = 0; return OK; }
Result cuStreamGetId(Stream *s, unsigned long long *id) { ON_STREAM; *id = (uintptr_t)s; return OK; }
Result cuStreamGetCtx(Stream *s, Context **c) {
  ON_STREAM;
  *c = (uintptr_t)s > 2 ? &contexts[s->device] : current();
  return OK;
}
Result cuStreamGetDevice(Stream *s, int *d) {
  ON_STREAM;
  *d = (uintptr_t)s > 2 ? s->device : current()->device;
  return OK;
}
Result cuStreamIsCapturing(Stream *s, int *status) { ON_STREAM; *status = 0; return OK; }
Result cuStreamGetCaptureInfo(Stream *s, int *status) { ON_STREAM; *status = 0; return OK; }
Result cuEventCreate(void ***e, unsigned flags) { IN_CONTEXT; *e = calloc(1, sizeof **e); return OK; }
Result cuEventDestroy(void **e) { free(e); return OK; }
Result cuEventRecord(void **e, Stream *s) { ON_STREAM; note("%s", __func__); *e = queue_of(s); return OK; }
Result cuEventSynchronize(void **e) { note("%s", __func__); return finish(*e); }
Result cuEventQuery(void **e) { return finish(*e); }
Result cuStreamWaitEvent(Stream *s, void **e, unsigned flags) { ON_STREAM; note("%s", __func__); return finish(*e); }
Result cuEventElapsedTime(float *ms, void *a, void *b) { *ms = 0; return OK; }

/* --- kernels ------------------------------------------------------------------------------------------------------ */

Result cuLibraryLoadData(void **library, const void *image, void *a, void *b, unsigned n, void *c, void *d,
                         unsigned m) {
  REQUIRE(!memcmp(image, "\177ELF", 4), INVALID_VALUE);
  note("%s", __func__);
  *library = malloc(1);
  return OK;
}
/* Keeps the handle: as a process ends, Numba unloads some that cuda.core has unloaded, which a driver just refuses */
Result cuLibraryUnload(void *library) { return OK; }
Result cuLibraryGetKernel(Kernel **k, void *library, const char *name) {
  REQUIRE(strlen(name) < sizeof (*k)->name, INVALID_VALUE);
  *k = malloc(sizeof **k);
  strcpy((*k)->name, name);
  return OK;
}
Result cuLibraryGetModule(void **m, void *library) { *m = library; return OK; }
Result cuModuleGetFunction(Kernel **k, void *library, const char *name) { return cuLibraryGetKernel(k, library, name); }
Result cuKernelGetLibrary(void **library, Kernel *k) { REQUIRE(0, NOT_SUPPORTED); }
Result cuKernelGetFunction(Kernel **f, Kernel *k) { *f = k; return OK; }
Result cuKernelGetAttribute(int *v, int attribute, Kernel *k, int d) { *v = 0; return OK; }
Result cuFuncGetAttribute(int *v, int attribute, Kernel *k) { *v = 0; return OK; }

typedef struct { unsigned grid[3], block[3], shared; void *stream; void *attributes; unsigned n_attributes; } Config;

Result cuLaunchKernelEx(const Config *c, Kernel *k, void **params, void **extra) {
  void *s = c->stream;
  IN_CONTEXT;
  ON_STREAM;
  REQUIRE(!extra && !c->n_attributes, NOT_SUPPORTED);
  for (int i = 0; i < 3; i++) REQUIRE(c->grid[i] && c->block[i] && c->block[i] <= 1024, INVALID_VALUE);
  note("%s %s %u %u %p", __func__, k->name, c->grid[0], c->block[0], s);
  if (!prepare) return OK;
  Task task = {queue_of(s), current()->device, prepare(k->name, current()->device, c->grid, c->block, s, params)};
  REQUIRE(task.launch >= 0, LAUNCH_FAILED);
  launches = task.launch + 1;
  put(task);
  return OK;
}
Result cuLaunchKernel(Kernel *k, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared, void *stream, void **params, void **extra) {
  Config c = {{gx, gy, gz}, {bx, by, bz}, shared, stream, NULL, 0};
  return cuLaunchKernelEx(&c, k, params, extra);
}

/* Libraries ask for all functions by name; what is not here they call missing when it is called. */
Result cuGetProcAddress_v2(const char *name, void **f, int version, uint64_t flags, int *status) {
  static void *self;
  Dl_info info;
  if (!self && dladdr((void *)cuInit, &info)) self = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  *f = dlsym(self, strcmp(name, "cuGetProcAddress") ? name : "cuGetProcAddress_v2");
  if (!strcmp(name, "cuCtxGetDevice") && version >= 13000) *f = (void *)cuCtxGetDevice_v2;
  if (status) *status = *f ? 0 : 1;
  return *f ? OK : NOT_FOUND;
}

/* A libnvidia-ml.so.1 with the functions that fluxgym/run/gpu.py needs. Its GPUs stand in the file $FAKE_GPUS, one a line,
 * read anew at each question:   uuid used_MiB total_MiB use_% power_W limit_W temperature reasons_hex pid:MiB|-
 * A negative number is one that this GPU does not tell. The line "hang" lets every question wait for ever. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, UNKNOWN = 999 };
typedef struct { char uuid[80]; long used, total, use, power, limit, temperature; unsigned long reasons; char process[80]; } Gpu;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gpu_instance, compute_instance; } Process;

static int read_gpus(Gpu *gpus) {
    const char *path = getenv("FAKE_GPUS");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[400];
    int count = 0;
    if (!file) return -1;
    while (count < 16 && fgets(line, sizeof line, file)) {
        Gpu *gpu = &gpus[count];
        while (!strncmp(line, "hang", 4)) sleep(60);
        count += 9 == sscanf(line, "%79s %ld %ld %ld %ld %ld %ld %lx %79s", gpu->uuid, &gpu->used, &gpu->total, &gpu->use,
                             &gpu->power, &gpu->limit, &gpu->temperature, &gpu->reasons, gpu->process);
    }
    fclose(file);
    return count;
}

static Gpu find(void *handle) {
    Gpu gpus[16];
    memset(gpus, 0, sizeof gpus);
    read_gpus(gpus);
    return gpus[(long)handle - 1];
}

static int tell(unsigned int *answer, long value) {
    *answer = (unsigned int)value;
    return value < 0 ? NOT_SUPPORTED : SUCCESS;
}

const char *nvmlErrorString(int code) { return code ? "fake error" : "no error"; }
int nvmlInitWithFlags(unsigned int flags) { Gpu gpus[16]; (void)flags; return read_gpus(gpus) < 0 ? UNKNOWN : SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned int *count) { Gpu gpus[16]; *count = read_gpus(gpus); return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **handle) { *handle = (void *)(long)(index + 1); return SUCCESS; }
int nvmlDeviceGetUUID(void *handle, char *text, unsigned int size) { snprintf(text, size, "%s", find(handle).uuid); return SUCCESS; }
int nvmlDeviceGetName(void *handle, char *text, unsigned int size) { snprintf(text, size, "Fake %ld", (long)handle - 1); return SUCCESS; }
int nvmlDeviceGetPowerUsage(void *handle, unsigned int *mW) { return tell(mW, find(handle).power * 1000); }
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned int *mW) { return tell(mW, find(handle).limit * 1000); }
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned int *degrees) { (void)sensor; return tell(degrees, find(handle).temperature); }

int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) { /* total, free, used */
    Gpu gpu = find(handle);
    if (gpu.used < 0) return NOT_SUPPORTED;
    memory[0] = (unsigned long long)gpu.total << 20, memory[2] = (unsigned long long)gpu.used << 20;
    memory[1] = memory[0] - memory[2];
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned int *use) { /* gpu, memory */
    use[1] = 0;
    return tell(use, find(handle).use);
}

int nvmlDeviceGetCurrentClocksEventReasons(void *handle, unsigned long long *reasons) {
    *reasons = find(handle).reasons;
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned int *count, Process *processes) {
    unsigned int pid;
    unsigned long long used;
    unsigned int there = 2 == sscanf(find(handle).process, "%u:%llu", &pid, &used), room = *count;
    *count = there;
    if (room < there) return INSUFFICIENT_SIZE;
    if (there) processes[0] = (Process){pid, used << 20, 0, 0};
    return SUCCESS;
}

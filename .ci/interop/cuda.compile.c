// Compiles picture.cu to PTX with NVRTC: LIBRARY SOURCE HEADER ARCHITECTURE OUT.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char* text(const char* path) {
    static char room[1 << 16];
    char* all;
    FILE* file = fopen(path, "rb");
    if (file == NULL) return NULL;
    size_t len = fread(room, 1, sizeof room - 1, file);
    fclose(file);
    all = calloc(1, len + 1);
    return all == NULL ? NULL : memcpy(all, room, len);
}

int main(int argc, char** argv) {
    void* library = argc == 6 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (library == NULL) return fprintf(stderr, "%s\n", argc == 6 ? dlerror() : "LIBRARY SOURCE HEADER ARCHITECTURE OUT"), 1;
    int (*create)(void**, const char*, const char*, int, const char**, const char**) = dlsym(library, "nvrtcCreateProgram");
    int (*compile)(void*, int, const char**) = dlsym(library, "nvrtcCompileProgram");
    int (*log_size)(void*, size_t*) = dlsym(library, "nvrtcGetProgramLogSize"), (*log)(void*, char*) = dlsym(library, "nvrtcGetProgramLog");
    int (*ptx_size)(void*, size_t*) = dlsym(library, "nvrtcGetPTXSize"), (*ptx)(void*, char*) = dlsym(library, "nvrtcGetPTX");
    const char *header[] = {text(argv[3])}, *name[] = {"picture.h"};
    char architecture[64], *source = text(argv[2]);
    snprintf(architecture, sizeof architecture, "--gpu-architecture=%s", argv[4]);
    // Without fused multiply-add the numbers are those of the CPU.
    const char* options[] = {architecture, "--fmad=false", "--std=c++14"};
    void* program;
    size_t len = 0;
    if (source == NULL || header[0] == NULL || create(&program, source, "picture.cu", 1, header, name)) return 1;
    int failed = compile(program, 3, options);
    log_size(program, &len);
    char* said = calloc(1, len + 1);
    log(program, said);
    if (len > 1) fprintf(stderr, "%s\n", said);
    if (failed || ptx_size(program, &len)) return 1;
    char* out = calloc(1, len + 1);
    ptx(program, out);
    FILE* file = fopen(argv[5], "wb");
    if (file == NULL) return 1;
    fputs(out, file);
    return fclose(file);
}

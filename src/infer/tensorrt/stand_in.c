// A TensorRT of our own behind the table of shim.h, for the tests of ffi.rs: a "plan" is the text of its tensors, a run doubles the input.
#include "input.h"
#include "shim.h"

#include <stdlib.h>
#include <string.h>

#define INPUT 12
#define OUTPUT 6
static const char PLAN[] = "stand-in plan";

struct library {
    ArenadTrtLog log;
    void* user;
};
struct session {
    struct library* library;
    int started;
    void* pictures; // the input on the stand-in driver's GPU
    float input[INPUT], output[OUTPUT];
};

static int32_t fail(struct library* library, int32_t code, const char* text) {
    library->log(library->user, 1, text);
    return code;
}

// The folder's name says what goes wrong.
static int32_t stand_open(const char* folder, ArenadTrtLog log, void* user, void** library, ArenadTrtAbout* about) {
    struct library here = {log, user};
    if (folder != NULL && strcmp(folder, "/missing") == 0)
        return fail(&here, ARENAD_TRT_LIBRARY, "libnvinfer.so.10: cannot open shared object file");
    if (folder != NULL && strcmp(folder, "/other") == 0) return fail(&here, ARENAD_TRT_VERSION, "libnvinfer says version 110400");
    if (folder != NULL && strcmp(folder, "/no-gpu") == 0) return fail(&here, ARENAD_TRT_DEVICE, "cuInit: CUDA error 100, no device");
    struct library* made = malloc(sizeof here);
    if (made == NULL) return ARENAD_TRT_DEVICE;
    *made = here;
    memset(about, 0, sizeof *about);
    about->version = 100300;
    about->driver = 12060;
    about->compute_major = 8;
    about->compute_minor = 7;
    about->dla_cores = 2;
    strcpy(about->gpu, "Orin (stand-in)");
    *library = made;
    return ARENAD_TRT_OK;
}

static void stand_close(void* library) { free(library); }

static int32_t stand_build(void* library, const void* onnx, size_t len, const ArenadTrtOptions* options,
                           ArenadTrtProgress progress, void* user, void** blob, const uint8_t** bytes, size_t* bytes_len) {
    (void)onnx;
    if (len == 0) return fail(library, ARENAD_TRT_MODEL, "ONNX: the file is empty");
    if (options->dla > 1) return fail(library, ARENAD_TRT_MODEL, "there is no such DLA core");
    for (int32_t step = 0; step <= 3; ++step) progress(user, "Building the engine", step, 3);
    char* made = malloc(sizeof PLAN);
    if (made == NULL) return ARENAD_TRT_DEVICE;
    memcpy(made, PLAN, sizeof PLAN);
    *blob = made;
    *bytes = (const uint8_t*)made;
    *bytes_len = sizeof PLAN;
    return ARENAD_TRT_OK;
}

static void stand_free(void* blob) { free(blob); }

static int32_t stand_load(void* library, const void* plan, size_t len, int32_t dla, void** session) {
    (void)dla;
    if (len != sizeof PLAN || memcmp(plan, PLAN, len) != 0) return fail(library, ARENAD_TRT_PLAN, "the magic tag does not match");
    struct session* made = calloc(1, sizeof *made);
    if (made == NULL) return ARENAD_TRT_DEVICE;
    made->library = library;
    *session = made;
    return ARENAD_TRT_OK;
}

static int32_t stand_tensors(const void* session) {
    (void)session;
    return 2;
}

static int32_t stand_tensor(const void* session, int32_t index, ArenadTrtTensor* tensor) {
    static const ArenadTrtTensor all[2] = {{"image", 1, 1, 4, {1, 3, 2, 2}}, {"heat", 0, 1, 4, {1, 6, 1, 1}}};
    (void)session;
    if (index < 0 || index > 1) return ARENAD_TRT_RUN;
    *tensor = all[index];
    return ARENAD_TRT_OK;
}

static int32_t stand_start(void* session) {
    ((struct session*)session)->started = 1;
    return ARENAD_TRT_OK;
}

static int32_t stand_put(void* handle, int32_t index, const float* values, size_t count) {
    struct session* session = handle;
    if (index != 0 || count != INPUT) return fail(session->library, ARENAD_TRT_RUN, "put: not the input");
    memcpy(session->input, values, sizeof session->input);
    return ARENAD_TRT_OK;
}

static int32_t stand_run(void* handle, float* gpu_ms) {
    struct session* session = handle;
    if (!session->started) return fail(session->library, ARENAD_TRT_RUN, "the session was not started");
    if (session->input[0] < 0) return fail(session->library, ARENAD_TRT_RUN, "the run: CUDA error 700, illegal address");
    for (int i = 0; i < OUTPUT; ++i) session->output[i] = 2 * session->input[i];
    *gpu_ms = 1.5F;
    return ARENAD_TRT_OK;
}

static int32_t stand_take(void* handle, int32_t index, float* values, size_t count) {
    struct session* session = handle;
    if (index != 1 || count != OUTPUT) return fail(session->library, ARENAD_TRT_RUN, "take: not the output");
    memcpy(values, session->output, sizeof session->output);
    return ARENAD_TRT_OK;
}

void* arenad_stand_in_lookup(const char* name);

static int32_t stand_pictures(void* handle, const char* ptx) {
    struct session* session = handle;
    ArenadInputSaid said;
    char gpu[256];
    if (arenad_input_open(arenad_stand_in_lookup, ptx, INPUT, gpu, &session->pictures, &said) == 0) return ARENAD_TRT_OK;
    return fail(session->library, ARENAD_TRT_DEVICE, said.text);
}

static int32_t stand_put_picture(void* handle, int32_t index, const ArenadPicture* picture, const ArenadSurface* surface) {
    struct session* session = handle;
    ArenadInputSaid said;
    float ms;
    if (index != 0 || session->pictures == NULL) return fail(session->library, ARENAD_TRT_RUN, "the picture is for another input");
    if (arenad_input_fill(session->pictures, picture, surface, &ms, &said) == 0 &&
        arenad_input_take(session->pictures, session->input, INPUT, &said) == 0)
        return ARENAD_TRT_OK;
    return fail(session->library, ARENAD_TRT_RUN, said.text);
}

static int32_t stand_in_place(const void* handle) {
    const struct session* session = handle;
    return session->pictures != NULL && arenad_input_in_place(session->pictures);
}

static void stand_forget(void* handle, const void* image) { arenad_input_forget(((struct session*)handle)->pictures, image); }

static const float* stand_lend(void* session, int32_t index, size_t count) {
    return index == 1 && count == OUTPUT ? ((struct session*)session)->output : NULL;
}

static int32_t stand_peek(void* handle, int32_t index, float* values, size_t count) {
    struct session* session = handle;
    if (index != 0 || count != INPUT) return fail(session->library, ARENAD_TRT_RUN, "peek: not the input");
    memcpy(values, session->input, sizeof session->input);
    return ARENAD_TRT_OK;
}

static void stand_unload(void* handle) {
    struct session* session = handle;
    if (session->pictures != NULL) arenad_input_close(session->pictures);
    free(session);
}

const ArenadTrtTable* arenad_trt_table_stand_in(void) {
    static const ArenadTrtTable table = {10,          stand_open,    stand_close,  stand_build, stand_free, stand_load,
                                         stand_tensors, stand_tensor, stand_start, stand_put,   stand_run,  stand_take,
                                         stand_pictures, stand_put_picture, stand_in_place, stand_forget, stand_peek, stand_lend,
                                         stand_unload};
    return &table;
}

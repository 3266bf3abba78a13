// TensorRT behind the table of shim.h. Compiled once for each major version's headers, with the namespaces renamed by build.rs: their
// weak inline functions would otherwise be merged and call another version's slots. Only what the oldest minor version has is used.
#include "shim.h"

#include "build.h"
#include "opened.h"
#include "session.h"

#define ARENAD_JOIN_(a, b) a##b
#define ARENAD_JOIN(a, b) ARENAD_JOIN_(a, b)

extern "C" const ArenadTrtTable* ARENAD_JOIN(arenad_trt_table_, ARENAD_TRT_MAJOR)() {
    static_assert(NV_TENSORRT_MAJOR == ARENAD_TRT_MAJOR, "build.rs read another major version than the compiler");
    static const ArenadTrtTable table = {NV_TENSORRT_MAJOR, open, close, build,    freeBlob,   load,    tensors, tensor, start, put,
                                         run,               take, pictures, putPicture, inPlace, forget, peek,   lend,  unload};
    return &table;
}

// A picture in a decoder's own memory, which a GPU that has the CPU's memory reads where it is: what Rust says of it.
#ifndef ARENAD_TENSORRT_SURFACE_H
#define ARENAD_TENSORRT_SURFACE_H

#include <stddef.h>

typedef struct ArenadSurface {
    void* image;    // its EGLImage: two planes in rows, of the picture's own pitches
    size_t y_at;    // bytes from the first of each plane to the first row that the picture's window needs
    size_t chroma_at;
} ArenadSurface;

#endif

// Opens real TensorRT libraries through the shim's tables where there is no GPU, and says what each case answered; see tensorrt.sh.
#include "shim.h"

#include <stdio.h>
#include <string.h>

const ArenadTrtTable* arenad_trt_table_10(void);
const ArenadTrtTable* arenad_trt_table_11(void);

static char said[4000];

static void hear(void* user, int32_t severity, const char* text) {
    (void)user;
    if (severity <= 1 && strlen(said) + strlen(text) + 3 < sizeof said) {
        strcat(said, text);
        strcat(said, "; ");
    }
}

// MAJOR FOLDER CODE WORDS: the answer must be CODE and its words must hold WORDS.
int main(int argc, char** argv) {
    if (argc != 5) return 2;
    const ArenadTrtTable* table = strcmp(argv[1], "10") == 0 ? arenad_trt_table_10() : arenad_trt_table_11();
    void* library = NULL;
    ArenadTrtAbout about;
    int32_t code = table->open(strcmp(argv[2], "-") == 0 ? NULL : argv[2], hear, NULL, &library, &about);
    int good = code == argv[3][0] - '0' && strstr(said, argv[4]) != NULL;
    printf("%s TensorRT %s: code %d: %s\n", good ? "ok     " : "FAILED ", argv[1], code, said);
    return !good;
}

/* What the two domains have agreed on beforehand; real ones tell each other through xenstore. */

#define GRANTER 1
#define MAPPER 2

/* The first reference that the toolstack leaves to the guest, and the first free event-channel port. */
#define PAGE_REF 8
#define GRANTER_PORT 3

/* The shared page: who wants to speak waits until the other one's flag is clear. */
struct mailbox {
    volatile unsigned int request;  /* written by the mapper */
    volatile unsigned int reply;    /* written by the granter */
    char text[64];
};

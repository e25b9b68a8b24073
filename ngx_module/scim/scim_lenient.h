#ifndef SCIM_LENIENT_H
#define SCIM_LENIENT_H

/*
 * Deviations of known clients that were accepted and normalized, one entry a
 * rule of the table in conf/DIALECTS.md.  Counted so that operators see who
 * sends what.
 */
#define SCIM_LENIENT_RULES(X)                                                 \
    X(OP_CASE, "L-01") X(KEY_CASE, "L-02") X(OP_MEMBER, "L-03")               \
    X(SCHEMAS_MISSING, "L-04") X(NO_OPERATIONS, "L-05")                       \
    X(BOOLEAN_TEXT, "L-06") X(ACTIVE_EMPTY, "L-07")                           \
    X(NUMBER_FOR_STRING, "L-08") X(STRING_FOR_NUMBER, "L-09")                 \
    X(NULL_ENTRY, "L-09a") X(SINGLE_FOR_ARRAY, "L-09b")                       \
    X(BYTE_ORDER_MARK, "L-09c")                                               \
    X(MEMBERS_VALUE_LIST, "L-10") X(MEMBERS_TWICE, "L-11")                    \
    X(MEMBERS_FILTER_FORM, "L-11a")                                           \
    X(MEMBERS_NULL, "L-17") X(MEMBERS_NESTED, "L-19a")                        \
    X(MEMBERS_FORM, "L-19b") X(MEMBERS_REF, "L-19c")                          \
    X(MEMBERS_DISPLAY, "L-19e")                                               \
    X(UNQUOTED_LITERAL, "L-20") X(SINGLE_QUOTED, "L-21")                      \
    X(FILTER_SPELLING, "L-22") X(PLUS_IS_SPACE, "L-23")                       \
    X(EMPTY_PATH, "L-25") X(DOTTED_KEY, "L-26") X(URN_KEY, "L-27")            \
    X(FILTER_KEY, "L-28") X(VALUE_AS_TEXT, "L-29")                            \
    X(ELEMENT_CREATED, "L-30") X(ROLE_AS_TEXT, "L-34")                        \
    X(ROLE_DISPLAY_NAME, "L-35") X(NO_FILTER_SUB, "L-36")                     \
    X(FILTER_ON_SINGLE, "L-37")                                               \
    X(MANAGER_FORM, "L-38") X(EMPTY_UNASSIGNS, "L-39")                        \
    X(ELEMENT_EMPTIED, "L-39a")                                               \
    X(REMOVE_VALUE, "L-39b") X(TWO_PRIMARY, "L-40")                           \
    X(UNKNOWN_EXTENSION, "L-42") X(UNKNOWN_KEY, "L-43")                       \
    X(READ_ONLY, "L-44") X(SCHEMAS_FORM, "L-46")                              \
    X(EXTENSION_UNLISTED, "L-47") X(EXTENSION_TOP_LEVEL, "L-48")              \
    X(MEDIA_TYPE, "L-49") X(ACCEPT, "L-50") X(URL_FORM, "L-51")               \
    X(TOKEN_FORM, "L-52") X(EXTERNAL_ID_TWICE, "L-55")                        \
    X(PAGE_OUTSIDE, "L-56") X(ETAG_FORM, "L-58")                              \
    X(TIME_FORM, "L-59") X(PASSWORD, "L-60") X(BULK_FORM, "L-62")             \
    X(NAME_AS_TEXT, "L-63")

typedef enum {
#define SCIM_LENIENT_ENUM(name, rule) SCIM_LENIENT_##name,
    SCIM_LENIENT_RULES(SCIM_LENIENT_ENUM)
#undef SCIM_LENIENT_ENUM
    SCIM_LENIENT_COUNT
} scim_lenient_rule_t;

typedef struct {
    unsigned count[SCIM_LENIENT_COUNT];
} scim_lenient_t;

/* *lenient may be NULL. */
static inline void
scim_lenient_note(scim_lenient_t *lenient, scim_lenient_rule_t rule)
{
    if (lenient) {
        lenient->count[rule]++;
    }
}

#endif

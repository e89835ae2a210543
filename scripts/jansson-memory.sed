# For src/load.c of jansson 2.15.1, which goes on when there is no memory for the next character of a string or number: it
# then takes back one that was never put there, stops the program by an assertion, or returns another value. With this a text
# ends where the memory does. Wanted by tests/test_json_text.c, which lets each allocation of a reading fail.
s/^static void lex_save(lex_t \*lex, int c) { strbuffer_append_byte(&lex->saved_text, c); }$/static int lex_save(lex_t *lex, int c)\
{\
    if (strbuffer_append_byte(\&lex->saved_text, c))\
        lex->stream.state = c = STREAM_STATE_ERROR;\
    return c;\
}/
/^static int lex_get_save(/,/^}/ s/^        lex_save(lex, c);$/        if ((c = lex_save(lex, c)) == STREAM_STATE_ERROR)\
            error_set(error, lex, json_error_out_of_memory, "out of memory");/

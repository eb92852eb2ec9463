/**
 * The ICMP messages that something begins with (RFC 792, RFC 4443), by the names that rules use. Answers and errors
 * have no names here: they belong to what they are about, and pass with it.
 */

/** The types, by name; a family may have none. */
export const icmpQuestions: Readonly<
  Record<string, { readonly v4: number | undefined; readonly v6: number | undefined }>
> = {
  echo: { v4: 8, v6: 128 },
  timestamp: { v4: 13, v6: undefined },
  information: { v4: 15, v6: undefined },
};

/** The names. */
export const icmpTypeNames: readonly string[] = Object.keys(icmpQuestions);

/** How a netctl command ends when it does not end well: Contiv's exit codes. */

/** The exit codes besides 0. */
export const exitCodes = {
  /** Wrong arguments. */
  usage: 1,
  /** `version` got no answer that can be read. */
  noVersion: 2,
  /** The API refused, or was not reached; login was refused. */
  refused: 3,
  /** A local file or the terminal. */
  local: 4,
} as const;

/** Ends the command: a line in the log, help if the arguments were wrong, and an exit code. */
export class NetctlError extends Error {
  override readonly name = 'NetctlError';
  readonly exitCode: number;
  readonly showHelp: boolean;

  constructor(
    exitCode: number,
    message: string,
    facts: { readonly showHelp?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.exitCode = exitCode;
    this.showHelp = facts.showHelp ?? false;
  }
}

/**
 * What is running: our version, the commit it was built from where one was embedded, and the runtime.
 */
import manifest from '../package.json' with { type: 'json' };

/** Put in place of the name by the build of the single-file binary; not declared anywhere else. */
declare const FAIRLEAD_COMMIT: string | undefined;

/** Version of Fairlead, from package.json. */
export const version: string = manifest.version;

/** Commit that the binary was built from; undefined when the sources run as they are. */
export const commit: string | undefined =
  typeof FAIRLEAD_COMMIT === 'string' ? FAIRLEAD_COMMIT : undefined;

/** The JavaScript runtime underneath. */
export interface RuntimeName {
  readonly name: 'bun' | 'deno' | 'node';
  readonly version: string;
}

/** Which runtime this is; Bun and Deno also name a Node version, so they are asked first. */
export function currentRuntime(): RuntimeName {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return { name: 'bun', version: bun };
  if (deno !== undefined) return { name: 'deno', version: deno };
  return { name: 'node', version: node };
}

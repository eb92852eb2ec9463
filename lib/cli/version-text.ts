/** `fairlead version`: one line for people, one JSON object for programs. */
import { commit, currentRuntime, version } from '../version.ts';
import { formRow } from './form-option.ts';
import type { OptionTable } from './option.ts';

const outputForms = ['text', 'json'] as const;

/** What `fairlead version` was told. */
export interface VersionOptions {
  readonly output: (typeof outputForms)[number];
}

/** The options of `fairlead version`. */
export const versionOptionTable: OptionTable<VersionOptions> = {
  output: formRow(outputForms),
};

/** The version as text or JSON, with a line end. The JSON is a contract: fields are only added. */
export function describeVersion(form: VersionOptions['output']): string {
  const runtime = currentRuntime();
  if (form === 'json') {
    const { arch, platform } = process;
    return `${JSON.stringify({ schemaVersion: 1, version, commit, runtime, platform, arch })}\n`;
  }
  const built = commit === undefined ? '' : `, commit ${commit}`;
  return `fairlead ${version} (${runtime.name} ${runtime.version}${built})\n`;
}

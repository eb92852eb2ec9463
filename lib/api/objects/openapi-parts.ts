/** Parts of the API's description that are the same for all kinds. */
import { apiPageObjectsMax } from '../../limits.ts';

type Schema = Readonly<Record<string, unknown>>;

/** A reference to a component. */
export const reference = (to: 'schemas' | 'parameters' | 'responses', name: string): Schema => ({
  $ref: `#/components/${to}/${name}`,
});

/** A parameter of a query. */
export const queryParameter = (name: string, description: string, schema: Schema): Schema => ({
  name,
  in: 'query',
  description,
  schema,
});

const header = (name: string, description: string): Schema => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string' },
});

/** Parameters that several operations have. */
export const parameters = {
  selector: queryParameter(
    'selector',
    'FIELD=VALUE,FIELD!=VALUE with fields of metadata and spec, all of which must hold.',
    { type: 'string' },
  ),
  limit: queryParameter('limit', 'Objects on a page.', {
    type: 'integer',
    minimum: 1,
    maximum: apiPageObjectsMax,
    default: apiPageObjectsMax,
  }),
  continue: queryParameter('continue', 'Where the page before ended; 410 when that is forgotten.', {
    type: 'string',
  }),
  watch: queryParameter('watch', 'Changes as they come, as server-sent events.', {
    type: 'boolean',
  }),
  since: queryParameter(
    'since',
    'Of a watch: the revision that is known already; 410 when what came after it is forgotten.',
    { type: 'integer', minimum: 0 },
  ),
  lastEventId: header('Last-Event-ID', 'As `since`, from a client that comes back.'),
  consistency: queryParameter(
    'consistency',
    'linearizable: all that was acknowledged, or refused; local: what this host knows. Without: the first if there is a quorum, else the second.',
    { enum: ['linearizable', 'local'] },
  ),
  dryRun: queryParameter('dryRun', 'Check everything and change nothing.', { type: 'boolean' }),
  ifMatch: header('If-Match', 'ETags of which the object must have one, or * for being there.'),
  ifNoneMatch: header('If-None-Match', '* for not being there.'),
};

/** An answer of JSON. */
export function answers(description: string, schema: Schema, hasTag = false): Schema {
  return {
    description,
    ...(hasTag
      ? { headers: { ETag: { description: 'Its revision.', schema: { type: 'string' } } } }
      : {}),
    content: { 'application/json': { schema } },
  };
}

/** The answer of a list or watch. */
export function watchAnswer(list: Schema): Schema {
  return {
    description:
      'A page; or with watch=true, an event `change` for each revision: `{ revision, changes: [{ type, object }] }`, its id the revision.',
    content: {
      'application/json': { schema: list },
      'text/event-stream': { schema: { type: 'string' } },
    },
  };
}

/** What every refusal says. */
export function errorSchema(codes: readonly string[]): Schema {
  return {
    type: 'object',
    required: ['error'],
    properties: {
      schemaVersion: { const: 1 },
      error: {
        type: 'object',
        required: ['code', 'message'],
        properties: {
          code: { enum: codes },
          message: { type: 'string', description: 'What happened, in one line.' },
          fix: { type: 'string', description: 'What to do about it.' },
        },
      },
    },
  };
}

/** What our API for objects is, as OpenAPI 3.1: made from the descriptions of the kinds, so it cannot drift. */
import { errorTable } from '../../errors.ts';
import { apiDocumentsMax, apiPageObjectsMax } from '../../limits.ts';
import {
  documentKinds,
  documentVersion,
  mayBeUnresolved,
  partName,
  specFields,
} from '../../model/objects/document.ts';
import { formats } from '../../model/objects/formats.ts';
import type { Field, ObjectKind } from '../../model/objects/kind.ts';
import {
  answers,
  errorSchema,
  parameters,
  queryParameter,
  reference,
  watchAnswer,
} from './openapi-parts.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Version of the description, and of what it describes. */
const apiVersion = '1.0.0';

/** The document. */
export function openApiDocument(): Schema {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Fairlead',
      version: apiVersion,
      summary: 'Networks for containers on Docker hosts.',
      description:
        'Objects declaratively. Any host of the cluster answers. Every change is one transaction: it is done or refused, and a refusal has changed nothing.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'the host that is asked' }],
    security: [{}, { token: [] }],
    tags: documentKinds.map(({ name, doc }) => ({ name, description: doc })),
    paths: {
      ...Object.assign({}, ...documentKinds.map(kindPaths)),
      '/v1/apply': { post: applyOperation() },
      '/v1/openapi.json': {
        get: {
          operationId: 'describe',
          summary: 'This document.',
          responses: { 200: answers('The document.', { type: 'object' }) },
        },
      },
    },
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'By TCP only: the token of --api-token-file.',
        },
      },
      parameters,
      responses: {
        Refused: answers('Refused; nothing has changed.', reference('schemas', 'Error')),
      },
      schemas: {
        Error: errorSchema(Object.keys(errorTable)),
        ...Object.assign({}, ...documentKinds.map(kindSchemas)),
        Application: applicationSchema(),
        Result: resultSchema(),
      },
    },
  };
}

const capital = (kind: ObjectKind): string =>
  kind.name.charAt(0).toUpperCase() + kind.name.slice(1);
const refused = { default: reference('responses', 'Refused') };
const body = (schema: Schema): Schema => ({
  required: true,
  content: { 'application/json': { schema } },
});

function kindPaths(kind: ObjectKind): Schema {
  const name = capital(kind);
  const parts = kind.key.map((field) => partName(kind, field));
  const path = `/v1/${kind.plural}${parts.map((part) => `/{${part}}`).join('')}`;
  const operation = (verb: string, summary: string, more: Schema): Schema => ({
    tags: [kind.name],
    operationId: `${verb}${name}`,
    summary,
    ...more,
  });
  const names = ['selector', 'limit', 'continue', 'watch', 'since', 'lastEventId'];
  return {
    [`/v1/${kind.plural}`]: {
      get: operation('list', `List objects of kind ${kind.name}, or watch them.`, {
        parameters: names.map((each) => reference('parameters', each)),
        responses: { 200: watchAnswer(reference('schemas', `${name}List`)), ...refused },
      }),
    },
    [path]: {
      parameters: kind.key.map((field, at) => ({
        name: parts[at],
        in: 'path',
        required: true,
        description: kind.fields[field]?.doc ?? '',
        schema: keySchema(kind, field),
      })),
      ...objectOperations(name, operation),
    },
  };
}

function objectOperations(
  name: string,
  operation: (verb: string, summary: string, more: Schema) => Schema,
): Schema {
  const object = reference('schemas', name);
  const changed = answers('As it is now.', reference('schemas', `${name}Outcome`));
  const writing = ['dryRun', 'ifMatch', 'ifNoneMatch'].map((each) => reference('parameters', each));
  return {
    get: operation('get', 'Look at one.', {
      parameters: [
        queryParameter('status', 'With what can be found out about it.', { type: 'boolean' }),
        reference('parameters', 'consistency'),
      ],
      responses: { 200: answers('The object.', object, true), ...refused },
    }),
    put: operation('put', 'Make it what is said; what is not said has its default.', {
      parameters: writing,
      requestBody: body(object),
      responses: { 200: changed, 201: changed, ...refused },
    }),
    patch: operation('patch', 'Change what is said (RFC 7396); null takes a field away.', {
      parameters: writing,
      requestBody: body({ type: 'object', properties: { spec: { type: 'object' } } }),
      responses: { 200: changed, ...refused },
    }),
    delete: operation('delete', 'Remove it, if nothing uses it.', {
      parameters: writing,
      responses: { 200: answers('It is gone.', { type: 'object' }), ...refused },
    }),
  };
}

/** The mark of a document whose names may mean nobody. */
const unresolved = {
  type: 'boolean',
  description:
    'A new one is made as it is written, though groups and networks that it names may be gone.',
} as const;

function kindSchemas(kind: ObjectKind): Schema {
  const name = capital(kind);
  const parts = kind.key.map((field) => [partName(kind, field), keySchema(kind, field)] as const);
  const fields = specFields(kind);
  const required = fields.filter((field) => kind.fields[field]?.required);
  const oper = Object.entries(kind.oper).map(([field, { doc, type }]) => [
    field,
    { description: doc, ...operTypes[type] },
  ]);
  return {
    [name]: {
      type: 'object',
      description: kind.doc,
      additionalProperties: false,
      properties: {
        apiVersion: { const: documentVersion },
        kind: { const: kind.name },
        metadata: {
          type: 'object',
          additionalProperties: false,
          properties: {
            ...Object.fromEntries(parts),
            revision: {
              type: 'integer',
              minimum: 0,
              description:
                'Of what is shown; sent back, the object is changed only as it was seen.',
            },
            ...(mayBeUnresolved(kind) && { unresolved }),
          },
        },
        spec: {
          type: 'object',
          additionalProperties: false,
          ...(required.length === 0 ? {} : { required }),
          properties: Object.fromEntries(
            fields.map((field) => [field, fieldSchema(kind.fields[field])]),
          ),
        },
        ...(oper.length === 0
          ? {}
          : { status: { type: 'object', readOnly: true, properties: Object.fromEntries(oper) } }),
      },
    },
    [`${name}List`]: listSchema(kind, name),
    [`${name}Outcome`]: {
      type: 'object',
      properties: {
        apiVersion: { const: documentVersion },
        outcome: { enum: ['created', 'changed', 'unchanged'] },
        dryRun: { type: 'boolean' },
        object: reference('schemas', name),
      },
    },
  };
}

function listSchema(kind: ObjectKind, name: string): Schema {
  return {
    type: 'object',
    required: ['apiVersion', 'kind', 'revision', 'items'],
    properties: {
      apiVersion: { const: documentVersion },
      kind: { const: `${kind.name}List` },
      revision: {
        type: 'integer',
        description: 'All pages are of it; a watch from here misses nothing.',
      },
      items: { type: 'array', maxItems: apiPageObjectsMax, items: reference('schemas', name) },
      continue: { type: 'string', description: 'Ask for the next page with it.' },
    },
  };
}

const operTypes = {
  whole: { type: 'integer' },
  text: { type: 'string' },
  texts: { type: 'array', items: { type: 'string' } },
  objects: { type: 'array', items: { type: 'object' } },
} as const;

function keySchema(kind: ObjectKind, field: string): Schema {
  return kind.single === undefined ? fieldSchema(kind.fields[field]) : { const: kind.single };
}

function fieldSchema(field: Field | undefined): Schema {
  if (field === undefined) return {};
  const fixed = field.fixed === undefined ? '' : ' It cannot be changed later.';
  const description = `${field.doc}${fixed}`;
  const initial = 'default' in field && field.default ? { default: field.default } : {};
  if (field.type === 'whole') {
    return { type: 'integer', minimum: field.min, maximum: field.max, description, ...initial };
  }
  const { expected } = formats[field.format];
  const text = {
    type: 'string',
    maxLength: field.charactersMax,
    ...('words' in field && field.words !== undefined ? { enum: field.words } : {}),
  };
  if (field.type === 'list') {
    const items = { ...text, description: `Expected ${expected}.` };
    return { type: 'array', maxItems: field.itemsMax, items, description };
  }
  return { ...text, description: `${description} Expected ${expected}.`, ...initial };
}

function applicationSchema(): Schema {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['action', 'documents'],
    properties: {
      action: { enum: ['apply', 'remove'] },
      documents: {
        type: 'array',
        maxItems: apiDocumentsMax,
        items: { oneOf: documentKinds.map((kind) => reference('schemas', capital(kind))) },
      },
    },
  };
}

function resultSchema(): Schema {
  return {
    type: 'object',
    properties: {
      kind: { enum: documentKinds.map(({ name }) => name) },
      metadata: { type: 'object' },
      outcome: {
        enum: ['created', 'changed', 'unchanged', 'removed', 'absent', 'refused', 'untried'],
      },
      before: { type: 'object', description: 'Of a dry run: its spec as it is.' },
      after: { type: 'object', description: 'Of a dry run: its spec as it would be.' },
      error: { type: 'object' },
      complete: { type: 'boolean', description: 'Of the last line: whether nothing was refused.' },
    },
  };
}

function applyOperation(): Schema {
  return {
    operationId: 'apply',
    summary: 'Make or remove many objects.',
    description:
      'All documents are checked first. Then each is a transaction of its own, in an order in which what is named comes first; the answer has a line for each as soon as it is done. After a refusal the others are tried; after an error of the cluster they are not. A dry run sees what those before it would have done.',
    parameters: [reference('parameters', 'dryRun')],
    requestBody: body(reference('schemas', 'Application')),
    responses: {
      200: {
        description: 'A line of JSON for each document, then one for all.',
        content: { 'application/x-ndjson': { schema: reference('schemas', 'Result') } },
      },
      ...refused,
    },
  };
}

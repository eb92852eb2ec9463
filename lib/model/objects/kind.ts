/**
 * How a kind of object is described: one value from which validation, the shapes of REST, OpenAPI, help and
 * completion of commands, and docs come. Names, keys and wording are Contiv's, whose scripts must go on working.
 */
import type { FormatName } from './formats.ts';

/** The kinds, by the names that links use. */
export type KindName =
  | 'tenant'
  | 'network'
  | 'endpointGroup'
  | 'policy'
  | 'rule'
  | 'netprofile'
  | 'appProfile'
  | 'extContractsGroup'
  | 'serviceLB'
  | 'global'
  | 'aciGw'
  | 'Bgp'
  | 'endpoint'
  | 'volume'
  | 'volumeProfile';

/** That a field names an object of another kind, in the same tenant. */
export interface Reference {
  readonly kind: KindName;
  /** What is said when there is none; `{name}` is what was named, `{key}` its key. */
  readonly missing: string;
  /**
   * Whether a row behind the one that is named says so. Without, nobody sees from there who names it: the name is
   * part of the other's key, or only looked up when it is written.
   */
  readonly linked: boolean;
  /** Whether what is named may go: the name stays, and means whoever has it next. */
  readonly mayGo?: boolean;
}

interface AnyField {
  /** One sentence for people. */
  readonly doc: string;
  /** Part of the key, or refused when empty. */
  readonly required?: true;
  /** Contiv's clients cannot know it, or leave it out: a POST of theirs that does not say it leaves it as it is. */
  readonly contivLeavesOut?: true;
  /** What is said when a change of it is refused; without, it may change at any time, also while in use. */
  readonly fixed?: string;
  readonly refers?: Reference;
}

/** A text; empty when it is not given. */
export interface TextField extends AnyField {
  readonly type: 'text';
  readonly format: FormatName;
  readonly charactersMax: number;
  /** What it becomes when it is not given. */
  readonly default?: string;
  /** The words that it may be, for formats that are a choice. */
  readonly words?: readonly string[];
}

/** A whole number; 0 when it is not given. */
export interface WholeField extends AnyField {
  readonly type: 'whole';
  readonly min: number;
  readonly max: number;
  /** What 0 becomes. */
  readonly default?: number;
}

/** Texts in the order given; empty when it is not given. */
export interface ListField extends AnyField {
  readonly type: 'list';
  readonly format: FormatName;
  readonly charactersMax: number;
  readonly itemsMax: number;
}

/** A field of an object's configuration. */
export type Field = TextField | WholeField | ListField;

/** Who is in a link-set or link: those that a field of this object names, or those of a kind that name it. */
export type LinkSource =
  | { readonly kind: KindName; readonly named: readonly string[] }
  | { readonly kind: KindName; readonly naming: readonly string[] };

/** A figure or text that is found out when somebody inspects an object. */
export interface OperField {
  readonly type: 'whole' | 'text' | 'texts' | 'objects';
  readonly doc: string;
}

/** A column of the table that lists a kind. */
export interface Column {
  readonly head: string;
  /** The field shown. */
  readonly field: string;
}

/** A kind of object. */
export interface ObjectKind {
  readonly name: KindName;
  /** As in the paths of REST. */
  readonly plural: string;
  /** One sentence for people. */
  readonly doc: string;
  /** The fields whose values, joined by colons, are the key. */
  readonly key: readonly string[];
  /** The key of the one object there is. */
  readonly single?: string;
  readonly fields: Readonly<Record<string, Field>>;
  readonly linkSets: Readonly<Record<string, LinkSource>>;
  readonly links: Readonly<Record<string, LinkSource>>;
  readonly oper: Readonly<Record<string, OperField>>;
  /** What is said to every change of one that is there. */
  readonly frozen?: string;
  /** What can be done with it: all, only inspected, or nothing (lists are empty). */
  readonly access: 'all' | 'inspect' | 'none';
  readonly columns: readonly Column[];
}

/** The value of a field. */
export type FieldValue = string | number | readonly string[];

/** An object's configuration: every field has a value. */
export type Config = Readonly<Record<string, FieldValue>>;

/** The configuration of a kind, with the type of each field. */
export type ConfigOf<Kind extends Pick<ObjectKind, 'fields'>> = {
  readonly [Name in keyof Kind['fields']]: Kind['fields'][Name] extends { readonly type: 'whole' }
    ? number
    : Kind['fields'][Name] extends { readonly type: 'list' }
      ? readonly string[]
      : string;
};

/** Describes a kind; keeps the names of its fields in the type. */
export function describeKind<const Kind extends ObjectKind>(kind: Kind): Kind {
  return kind;
}

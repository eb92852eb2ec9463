/** Volumes and their profiles: Contiv had paths for them and nothing behind; lists are empty. */
import { describeKind } from './kind.ts';

/** The description of volumes. */
export const volumeKind = describeKind({
  name: 'volume',
  plural: 'volumes',
  doc: 'Storage; there is none, and none can be made.',
  key: ['tenantName', 'volumeName'],
  access: 'none',
  fields: {},
  linkSets: {},
  links: {},
  oper: {},
  columns: [],
});

/** The description of profiles of volumes. */
export const volumeProfileKind = describeKind({
  name: 'volumeProfile',
  plural: 'volumeProfiles',
  doc: 'Kinds of storage; there are none, and none can be made.',
  key: ['tenantName', 'volumeProfileName'],
  access: 'none',
  fields: {},
  linkSets: {},
  links: {},
  oper: {},
  columns: [],
});

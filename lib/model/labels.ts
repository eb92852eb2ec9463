/** Containers chosen by their labels, as services and groups say it: all of the labels asked for have to be there. */

/** A label that is asked for. */
export type LabelRequirement = readonly [key: string, value: string];

/** The label by which engines say of which service of a swarm a container is a task. */
export const swarmServiceLabel = 'com.docker.swarm.service.id';

/** Labels of a container. */
export type Labels = Readonly<Record<string, string>>;

/** Reads texts that the model has taken, `KEY=VALUE`; the first `=` ends the key. */
export function readRequirements(texts: readonly string[]): readonly LabelRequirement[] {
  return texts.map((text) => {
    const at = text.indexOf('=');
    return [text.slice(0, at), text.slice(at + 1)];
  });
}

/** Whether a container has all that is asked for. */
export const meets = (labels: Labels, requirements: readonly LabelRequirement[]): boolean =>
  requirements.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);

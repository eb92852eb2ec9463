/** Listeners, and how they hear of something. */

/** Everyone hears it; what a listener throws is a bug and surfaces once the others have heard. */
export function tellAll<T>(listeners: ReadonlySet<(news: T) => void>, news: T): void {
  for (const listener of Array.from(listeners)) {
    try {
      listener(news);
    } catch (thrown) {
      queueMicrotask(() => {
        throw thrown;
      });
    }
  }
}

// Pieces are the files that one file was cut into, in order, read as one. A file that
// was not cut is one piece.
export class Pieces {
  readonly size: number;
  constructor(readonly files: readonly File[]) {
    this.size = files.reduce((sum, f) => sum + f.size, 0);
  }

  // slice is a region. Nothing is read before somebody wants its bytes.
  slice(start: number, end: number): Blob {
    const parts: Blob[] = [];
    let at = 0;
    for (const file of this.files) {
      const from = Math.max(start - at, 0);
      const to = Math.min(end - at, file.size);
      if (from < to) parts.push(file.slice(from, to));
      at += file.size;
    }
    return new Blob(parts);
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    return new Uint8Array(await this.slice(start, end).arrayBuffer());
  }
}

package upload

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// note remembers how far an upload was written, sync or not: the kernel keeps both
// the bytes and the note when the process ends, and neither for sure when the
// machine does. So it is believed only as long as the machine has not been started
// again. It costs one small write where a row of the database would cost a
// transaction.
//
// It is one record: the offset, the boot's id, a checksum.
type note struct {
	file *os.File
	boot string
	at   int64 // what it says
}

// noteEvery is after how many bytes it is written.
const noteEvery = 256 << 10

const bootIdentifier = "/proc/sys/kernel/random/boot_id"

// boot names the time since the machine was started; empty when it cannot be told,
// and then no note is believed.
func boot() string {
	id, err := os.ReadFile(bootIdentifier)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(id))
}

// openNote opens or makes the note of an upload.
func openNote(path, boot string) (*note, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &note{file: f, boot: boot}, nil
}

// set writes where the upload is, when that is worth while.
func (n *note) set(at int64) error {
	if d := at - n.at; d > 0 && d < noteEvery {
		return nil
	}
	return n.put(at)
}

// put writes where the upload is.
func (n *note) put(at int64) error {
	n.at = at
	_, err := n.file.WriteAt(encodeNote(at, n.boot), 0)
	return err
}

func (n *note) close() { n.file.Close() }

func encodeNote(at int64, boot string) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(at))
	b = append(b, boot...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// readNote is what the note at path says; 0 when it says nothing that can be
// believed.
func readNote(path, boot string) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil || boot == "" || len(content) < 8 {
		return 0, err
	}
	at := int64(binary.BigEndian.Uint64(content))
	if !bytes.Equal(content, encodeNote(at, boot)) {
		return 0, nil
	}
	return at, nil
}

// A reader of records and blobs in nothing but Go's standard library: it says what each vector is.
package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"unicode/utf8"
)

type vector struct {
	Name, Record, Dek, Blob, Data, Key, Sealed string
	AuthKey                                    string `json:"auth_key"`
	DekID                                      string `json:"dek_id"`
	Context                                    map[string]string
}

type record struct {
	Format, Created, Algorithm string
	DekID                      string `json:"dek_id"`
	Size                       int
	Kek                        struct{ Provider, ID, Version string }
	WrappedDek                 string `json:"wrapped_dek"`
}

var all struct {
	Kek struct {
		ID   string
		Keys map[string]string
	}
	Records, Blobs, Sealed []vector
}

// quote writes text as canonical JSON does: only what must be escaped is.
func quote(text string) string {
	escapes := []string{`\`, `\\`, `"`, `\"`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`}
	for c := rune(0); c < ' '; c++ {
		escapes = append(escapes, string(c), fmt.Sprintf(`\u%04x`, c))
	}
	return `"` + strings.NewReplacer(escapes...).Replace(text) + `"`
}

func canonical(context map[string]string) []byte {
	var names, pairs []string
	for name := range context {
		names = append(names, name)
	}
	sort.Strings(names) // by their bytes in UTF-8, and so by code point
	for _, name := range names {
		pairs = append(pairs, quote(name)+":"+quote(context[name]))
	}
	return []byte("{" + strings.Join(pairs, ",") + "}")
}

func unwrap(provider, id, version, algorithm string, wrapped []byte, context map[string]string, want string) string {
	key, _ := hex.DecodeString(all.Kek.Keys[version])
	if provider != "local" || id != all.Kek.ID || len(key) == 0 {
		return "other-kek"
	}
	block, _ := aes.NewCipher(key)
	gcm, _ := cipher.NewGCM(block)
	if algorithm != "AES-256-GCM" || len(wrapped) < 44 {
		return "altered"
	}
	commitment, wrapped := wrapped[:32], wrapped[32:]
	opened, err := gcm.Open(nil, wrapped[:12], wrapped[12:], canonical(context))
	if err != nil || len(opened) <= 32 || !hmac.Equal(mac(opened[:32], opened[32:]), commitment) {
		return "altered"
	}
	data := opened[32:]
	if context["format"] == "kms-core.dek/1" && context["size"] != fmt.Sprint(len(data)) {
		return "altered"
	}
	if hex.EncodeToString(data) != want {
		return "opened, but as something else"
	}
	return "ok"
}

func readRecord(v vector) string {
	var r record
	data, _ := hex.DecodeString(v.Record)
	if json.Unmarshal(data, &r) != nil {
		return "malformed"
	}
	wrapped, err := base64.StdEncoding.Strict().DecodeString(r.WrappedDek)
	written := fmt.Sprintf(
		`{"format":"kms-core.dek/1","dek_id":%s,"size":%d,"created":%s,"kek":{"provider":%s,"id":%s,"version":%s},"algorithm":%s,"wrapped_dek":%s}`,
		quote(r.DekID), r.Size, quote(r.Created), quote(r.Kek.Provider), quote(r.Kek.ID), quote(r.Kek.Version), quote(r.Algorithm), quote(r.WrappedDek))
	if err != nil || r.Size < 1 || written != string(data) || !utf8.Valid(data) {
		return "malformed"
	}
	if r.DekID != v.DekID {
		return "other-id"
	}
	context := map[string]string{"format": r.Format, "dek_id": r.DekID, "size": fmt.Sprint(r.Size), "created": r.Created}
	return unwrap(r.Kek.Provider, r.Kek.ID, r.Kek.Version, r.Algorithm, wrapped, context, v.Dek)
}

func readBlob(v vector) string {
	data, _ := hex.DecodeString(v.Blob)
	if !strings.HasPrefix(string(data), "KMS\x01") {
		return "malformed"
	}
	var parts []string
	for rest := data[4:]; len(rest) > 0; {
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			return "malformed"
		}
		end := 2 + int(binary.BigEndian.Uint16(rest))
		parts, rest = append(parts, string(rest[2:end])), rest[end:]
	}
	if len(parts) != 5 || !utf8.ValidString(strings.Join(parts[:4], "")) {
		return "malformed"
	}
	context := map[string]string{"format": "kms-core.blob/1"}
	for name, text := range v.Context {
		context[name] = text
	}
	return unwrap(parts[0], parts[1], parts[2], parts[3], []byte(parts[4]), context, v.Data)
}

func mac(key []byte, parts ...[]byte) []byte {
	hash := hmac.New(sha256.New, key)
	for _, part := range parts {
		hash.Write(part)
	}
	return hash.Sum(nil)
}

func readSealed(v vector) string {
	key, _ := hex.DecodeString(v.Key)
	authKey, _ := hex.DecodeString(v.AuthKey)
	sealed, _ := hex.DecodeString(v.Sealed)
	info := []byte("kms-core sealed DEK 1")
	if v.AuthKey != "" {
		info = []byte("kms-core authenticated DEK 1")
	}
	if len(key) != 32 || len(sealed) < 32 {
		return "altered"
	}
	pseudorandom := mac(authKey, key) // HKDF of RFC 5869; no salt is a salt of zeros, as HMAC pads it
	aesKey := mac(pseudorandom, info, []byte{1})
	commitment := mac(pseudorandom, aesKey, info, []byte{2})
	if !hmac.Equal(commitment, sealed[:32]) {
		return "altered"
	}
	block, _ := aes.NewCipher(aesKey)
	gcm, _ := cipher.NewGCM(block)
	dek, err := gcm.Open(nil, make([]byte, 12), sealed[32:], canonical(v.Context))
	if err != nil {
		return "altered"
	}
	if hex.EncodeToString(dek) != v.Dek {
		return "opened, but as something else"
	}
	return "ok"
}

func main() {
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		panic(err)
	}
	for _, v := range all.Records {
		fmt.Printf("%s\t%s\n", v.Name, readRecord(v))
	}
	for _, v := range all.Blobs {
		fmt.Printf("%s\t%s\n", v.Name, readBlob(v))
	}
	for _, v := range all.Sealed {
		fmt.Printf("%s\t%s\n", v.Name, readSealed(v))
	}
}

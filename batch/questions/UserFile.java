package org.apache.hive.service.auth;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.Iterator;
import java.util.List;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.security.sasl.AuthenticationException;

/**
 * Knows whoever is in the file of users, which `flo user` writes: name:rounds:salt:hash.
 *
 * <p>In the package of what it implements, as only there it can be declared beside it. The file is
 * read for each client, so that who was taken out of it is refused from then on.
 */
public final class UserFile implements PasswdAuthenticationProvider {
    /** The setting, among Java's, that names the file. */
    private static final String FILE = "flo.users";
    /** What an unknown user's password is compared with, so that the answer takes as long. */
    private static final String NOBODY = ":600000:AAAAAAAAAAAAAAAAAAAAAA==:AAAA";

    public void Authenticate(String user, String password) throws AuthenticationException {
        boolean isRight;
        try {
            isRight = matches(find(user), password == null ? "" : password);
        } catch (Exception error) {
            throw new AuthenticationException("The file of users cannot be read.");
        }
        if (!isRight) {
            throw new AuthenticationException("No such user, or another password.");
        }
    }

    private static String find(String user) throws Exception {
        String file = System.getProperty(FILE);
        List lines = Files.readAllLines(Paths.get(file, new String[0]), StandardCharsets.UTF_8);
        for (Iterator each = lines.iterator(); each.hasNext(); ) {
            String line = (String) each.next();
            if (!line.startsWith("#") && line.startsWith(user + ":")) {
                return line;
            }
        }
        return NOBODY;
    }

    private static boolean matches(String line, String password) throws GeneralSecurityException {
        String[] parts = line.split(":");
        if (parts.length != 4) {
            return false;
        }
        byte[] salt = Base64.getDecoder().decode(parts[2]);
        byte[] hash = Base64.getDecoder().decode(parts[3]);
        PBEKeySpec key =
            new PBEKeySpec(password.toCharArray(), salt, Integer.parseInt(parts[1]), 256);
        byte[] made = SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256")
            .generateSecret(key).getEncoded();
        return MessageDigest.isEqual(hash, made);
    }
}
